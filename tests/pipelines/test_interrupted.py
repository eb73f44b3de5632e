"""A run that is stopped or killed: MLflow tells so, nothing partial is taken for whole, the next run goes on."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from benchmarks.chaos import digests
from faceleak.reporting.audit.files import MADE_WITH

from .conftest import KEDRO, environment, kedro, start_kedro

TRAINING = ("--pipelines=target", "--params=target.train.epochs=100000")  # for ever
CHECKPOINT = "checkpoint.pt"  # its first sign


def start_until(project: Path, sign: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a run and wait until a file like `sign` is there."""
    command = [str(KEDRO), "run", "--env=smoke", *arguments]
    process = subprocess.Popen(
        command, cwd=project, env=environment(project), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(sign, project, lambda: process.poll() is None)
    return process


def wait_for(sign: str, project: Path, runs: Callable[[], bool]) -> None:
    """Wait until a file like `sign` is there; it has to come while the process runs."""
    deadline = time.monotonic() + 600
    while not list((project / "data/smoke").rglob(sign)):
        assert runs()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def statuses(project: Path) -> list[str]:
    """Of all runs of the target pipeline, the oldest first."""
    client = MlflowClient(environment(project)["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("faceleak")
    found = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [
        run.info.status for run in found if "target" in run.info.run_name and "mlflow.parentRunId" not in run.data.tags
    ]


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_run_is_marked_killed(project_with_faces: Path, tmp_path: Path, stop: signal.Signals) -> None:
    project, printed = project_with_faces, [tmp_path / "stdout", tmp_path / "stderr"]
    process = start_kedro(project, ["run", "--env=smoke", *TRAINING], printed)
    wait_for(CHECKPOINT, project, process.is_alive)
    os.kill(process.pid or 0, stop)
    process.join(600)
    assert process.exitcode == 1
    assert any("what was finished is kept" in file.read_text() for file in printed)
    assert statuses(project) == ["KILLED"]


def test_a_killed_run_is_marked_by_the_next_one_and_nobody_comes_between(
    project_with_faces: Path, tmp_path: Path
) -> None:
    project = project_with_faces
    process = start_kedro(project, ["run", "--env=smoke", *TRAINING], [tmp_path / "stdout", tmp_path / "stderr"])
    wait_for(CHECKPOINT, project, process.is_alive)
    os.kill(process.pid or 0, signal.SIGSTOP)  # so that it takes no time from those that follow
    second = kedro(project, "run", "--env=smoke", "--pipelines=target")
    assert second.returncode == 1
    assert "Another run is working in" in second.stderr
    assert "Traceback" not in second.stderr
    process.kill()
    process.join(600)
    assert statuses(project) == ["RUNNING"]
    following = kedro(project, "run", "--env=smoke", "--pipelines=target")
    assert following.returncode == 0, following.stderr
    assert statuses(project) == ["KILLED", "FINISHED"]


@pytest.mark.slow
def test_a_run_killed_three_times_ends_with_the_files_of_an_undisturbed_one(project: Path, audited: Path) -> None:
    for sign in ("*faces.arrow*", "*backbone.safetensors*", "inventory.json"):  # `benchmarks.chaos` kills anywhere
        process = start_until(project, sign, "--pipelines=faces,target")
        process.kill()
        process.communicate()
    last = kedro(project, "run", "--env=smoke", "--pipelines=faces,target")
    assert last.returncode == 0, last.stderr
    found, undisturbed = digests(project / "data/smoke"), digests(audited / "data/smoke")
    assert found.pop(f"08_reporting/{MADE_WITH}")  # names the command, which was another
    assert found == {name: undisturbed.get(name) for name in found}
    assert "06_models/target/backbone.safetensors" in found
    assert statuses(project) == [*["KILLED"] * 3, "FINISHED"]
