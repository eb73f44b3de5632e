"""A copy of the project in a folder of its own, in which `kedro` is run as a user would."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_once

PROJECT = Path(__file__).parents[2]
KEDRO = Path(sys.executable).with_name("kedro")
Run = Callable[..., subprocess.CompletedProcess[str]]


def copy_project(folder: Path) -> Path:
    """Copy what a run needs: configuration, sources and project files."""
    project = folder / "project"
    project.mkdir()
    shutil.copytree(PROJECT / "conf", project / "conf", ignore=shutil.ignore_patterns("local"))
    (project / "conf" / "local").mkdir()
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry", "dvc.yaml"):
        shutil.copy(PROJECT / name, project / name)
    return project


def environment(project: Path) -> dict[str, str]:
    """Environment of a run: tracking in the copy's own database, no telemetry, one thread."""
    return {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy of the project."""
    return copy_project(tmp_path)


def kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `kedro` in the copy and return what it printed."""
    command = [str(KEDRO), *arguments]
    return subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the whole audit has run in the smoke environment; it runs once for all workers."""
    with made_once(tmp_path_factory, "audit") as folder:
        if not (folder / "done").exists():
            shutil.rmtree(folder / "project", ignore_errors=True)
            run = kedro(copy_project(folder), "run", "--env=smoke")
            assert run.returncode == 0, run.stdout + run.stderr
            (folder / "done").touch()
    own = tmp_path_factory.mktemp("audited") / "project"
    shutil.copytree(folder / "project", own)
    return own
