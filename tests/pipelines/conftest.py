"""A copy of the project in a folder of its own, in which `kedro` is run as a user would."""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.conftest import made_once
from tests.pipelines import warm

PROJECT = Path(__file__).parents[2]
KEDRO = Path(sys.executable).with_name("kedro")
Run = Callable[..., subprocess.CompletedProcess[str]]


def copy_project(folder: Path, workers: str = "1") -> Path:
    """Copy what a run needs: configuration, sources and project files.

    One worker unless told otherwise: each process more imports torch, which takes longer than tasks so small.
    """
    project = folder / "project"
    project.mkdir()
    shutil.copytree(PROJECT / "conf", project / "conf", ignore=shutil.ignore_patterns("local"))
    (project / "conf" / "local").mkdir()
    set_workers(project, workers)
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry", "dvc.yaml"):
        shutil.copy(PROJECT / name, project / name)
    return project


def set_workers(project: Path, workers: str) -> None:
    """Let runs have so many workers, without an option that would be in their names."""
    parameters = project / "conf" / "base" / "parameters.yml"
    text, found = re.subn(r"^  workers: \w+$", f"  workers: {workers}", parameters.read_text(), flags=re.MULTILINE)
    assert found == 1
    parameters.write_text(text)


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
def project(tmp_path: Path, empty_database: Path) -> Path:
    """A fresh copy of the project."""
    project = copy_project(tmp_path)
    shutil.copy(empty_database, project)
    return project


def kedro(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `kedro` in the copy and return what it printed; more: of its environment.

    It is a fork of a process that has imported everything already, which a command takes seconds for.
    """
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder) / name for name in ("stdout", "stderr")]
        process = start_kedro(project, arguments, printed, more)
        process.join(600)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(["kedro", *arguments], 600)
        return subprocess.CompletedProcess(["kedro", *arguments], process.exitcode, *(p.read_text() for p in printed))


def start_kedro(
    project: Path, arguments: Sequence[str], printed: Sequence[Path], more: Mapping[str, str] = MappingProxyType({})
) -> BaseProcess:
    """Start such a fork; what it prints on stdout and stderr goes to the two files."""
    process: BaseProcess = _imported().Process(
        target=warm.run_kedro, args=(project, environment(project) | more, arguments, printed)
    )
    process.start()
    return process


@cache
def _imported() -> Any:
    """Where processes are forked off one that has imported what a run needs, and has computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(warm.IMPORTED))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {**environment(PROJECT), "OMP_WAIT_POLICY": "PASSIVE"}.items():
            patched.setenv(name, value)
        forkserver.ensure_running()
    return context


def told(project: Path) -> dict[str, Any]:
    """All results in the smoke environment, but for the command by which each was made."""
    reports = (project / "data/smoke/08_reporting").glob("*.json")
    return {path.name: json.loads(path.read_text()) for path in reports if path.stem != "made_with"}


def written(project: Path) -> dict[Path, int]:
    """When each backbone in the cache was written."""
    return {path: path.stat().st_mtime_ns for path in (project / "data/smoke/cache").rglob("*.safetensors")}


@pytest.fixture
def project_with_faces(project: Path, audited: Path) -> Path:
    """A fresh copy of the project with what `faces` leaves for other pipelines."""
    for name in ("02_intermediate", "03_primary"):
        shutil.copytree(audited / "data/smoke" / name, project / "data/smoke" / name)
    return project


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the whole audit has run in the smoke environment; it runs once for all workers."""
    with made_once(tmp_path_factory, "audit") as folder:
        if not (folder / "done").exists():
            shutil.rmtree(folder / "project", ignore_errors=True)
            project, command = copy_project(folder), [str(KEDRO), "run", "--env=smoke"]  # just as a user would
            run = subprocess.run(
                command, cwd=project, env=environment(project), capture_output=True, text=True, timeout=600, check=False
            )
            assert run.returncode == 0, run.stdout + run.stderr
            (folder / "done").touch()
    own = tmp_path_factory.mktemp("audited") / "project"
    shutil.copytree(folder / "project", own)
    return own
