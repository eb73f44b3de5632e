"""A run that is stopped or killed: MLflow tells so, nothing partial is taken for whole, the next run goes on."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from .conftest import KEDRO, environment, kedro

pytestmark = pytest.mark.slow
ENDLESS = "--params=target.train.epochs=100000"


def start_training(project: Path) -> subprocess.Popen[str]:
    """Start a run that trains for ever, and wait until its first checkpoint is there."""
    faces = kedro(project, "run", "--env=smoke", "--pipelines=faces")
    assert faces.returncode == 0, faces.stderr
    command = [str(KEDRO), "run", "--env=smoke", "--pipelines=target", ENDLESS]
    process = subprocess.Popen(
        command, cwd=project, env=environment(project), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 120
    while not list((project / "data/smoke/cache").rglob("checkpoint.pt")):
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def statuses(project: Path) -> list[str]:
    client = MlflowClient(environment(project)["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("faceleak")
    found = client.search_runs(
        [experiment.experiment_id], "attributes.run_name = 'target (smoke)'", order_by=["start_time ASC"]
    )
    return [run.info.status for run in found]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_marked_killed(project: Path, stop: signal.Signals) -> None:
    process = start_training(project)
    process.send_signal(stop)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "what was finished is kept" in output
    assert statuses(project) == ["KILLED"]


def test_a_killed_run_is_marked_by_the_next_one_and_nobody_comes_between(project: Path) -> None:
    process = start_training(project)
    second = kedro(project, "run", "--env=smoke", "--pipelines=target")
    assert second.returncode == 1
    assert "Another run is working in" in second.stderr
    assert "Traceback" not in second.stderr
    process.kill()
    process.communicate()
    assert statuses(project) == ["RUNNING"]
    following = kedro(project, "run", "--env=smoke", "--pipelines=target")
    assert following.returncode == 0, following.stderr
    assert statuses(project) == ["KILLED", "FINISHED"]
