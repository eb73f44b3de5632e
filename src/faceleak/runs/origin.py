"""The origin of a run: commit, configuration environment, command and software."""

import shlex
import subprocess
from typing import Any

from faceleak.common.trees import flatten
from faceleak.reporting.audit.evidence import software


def describe(run_params: dict[str, Any]) -> dict[str, Any]:
    """Describe a run by Kedro's run parameters: commit, uncommitted_changes, environment, command and software."""
    return {
        "commit": commit(),
        "uncommitted_changes": has_uncommitted_changes(),
        "environment": run_params.get("env") or "base",
        "command": command(run_params),
        "software": software(),
    }


def command(run_params: dict[str, Any]) -> str:
    """The command line that runs the same again."""
    chosen = {
        "pipelines": ",".join(run_params.get("pipeline_names") or []),
        "tags": ",".join(run_params.get("tags") or []),
        "env": run_params.get("env") or "",
        "params": changed_parameters(run_params),
    }
    return shlex.join(["kedro", "run", *(f"--{name}={value}" for name, value in chosen.items() if value)])


def changed_parameters(run_params: dict[str, Any]) -> str:
    """What was given as `--params`; empty if nothing was."""
    return ",".join(f"{key}={value}" for key, value in flatten(run_params.get("runtime_params") or {}, ".").items())


def commit() -> str:
    """The commit of the working directory; empty if there is none."""
    return _git("rev-parse", "HEAD")


def has_uncommitted_changes() -> bool:
    """Whether a tracked file was changed since the commit."""
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str:
    try:
        run = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
