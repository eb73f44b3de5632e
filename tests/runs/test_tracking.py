"""Which runs in MLflow are orphans."""

import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from faceleak.runs import tracking
from faceleak.work.processes import HOST, this_process


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (this_process(), "RUNNING"),
        (f"{os.uname().nodename}:{os.getpid()}:1.00", "KILLED"),  # the same number, another process
        (f"{os.uname().nodename}:999999999:1.00", "KILLED"),
        (f"{HOST}-999999999-1", "KILLED"),
        ("another-host:1:1.00", "RUNNING"),
        ("", "RUNNING"),
    ],
    ids=[
        "this one",
        "number reused",
        "gone",
        "gone, as it is named now",
        "another host",
        "unknown",
    ],  # process numbers differ between workers
)
def test_only_runs_of_dead_processes_of_this_host_are_closed(experiment: str, process: str, expected: str) -> None:
    client = MlflowClient()
    run = client.create_run(experiment, tags={tracking.PROCESS_TAG: process} if process else {})
    tracking.close_orphans(experiment)
    assert client.get_run(run.info.run_id).info.status == expected


def test_children_of_a_dead_process_are_closed_too(experiment: str) -> None:
    client = MlflowClient()
    parent = client.create_run(experiment, tags={tracking.PROCESS_TAG: f"{os.uname().nodename}:999999999:1.00"})
    child = client.create_run(experiment, tags={"mlflow.parentRunId": parent.info.run_id})
    tracking.close_orphans(experiment)
    assert client.get_run(child.info.run_id).info.status == "KILLED"


def test_a_killed_run_and_its_child_are_closed(experiment: str) -> None:
    parent = mlflow.start_run(experiment_id=experiment)
    child = mlflow.start_run(nested=True)
    tracking.close_as_killed()
    client = MlflowClient()
    assert mlflow.active_run() is None
    assert {client.get_run(run.info.run_id).info.status for run in (parent, child)} == {"KILLED"}


def test_a_series_and_a_file_go_to_the_active_run_and_nowhere_without_one(experiment: str, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"picture")
    tracking.log_step({"kid": 1.0}, 10)
    tracking.log_file(sheet, "sheets")
    assert mlflow.active_run() is None
    with mlflow.start_run(experiment_id=experiment) as run:
        tracking.log_step({"kid": 0.5}, 10)
        tracking.log_step({"kid": 0.25}, 20)
        tracking.log_file(sheet, "sheets")
    client = MlflowClient()
    series = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "kid")]
    assert series == [(10, 0.5), (20, 0.25)]
    assert [entry.path for entry in client.list_artifacts(run.info.run_id, "sheets")] == ["sheets/sheet.png"]


MAKE = "import sys; from faceleak.runs.tracking import make_database; make_database(sys.argv[1])"


def test_a_database_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "mlflow.db"
    uri = f"sqlite:///{path}"
    killed = subprocess.Popen([sys.executable, "-c", MAKE, uri])
    while not list(tmp_path.glob("runs/.mlflow.db.*.partial")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not path.exists()
    tracking.make_database(uri)
    made = path.read_bytes()
    tracking.make_database(uri)
    assert path.read_bytes() == made
    assert [file.name for file in path.parent.iterdir()] == ["mlflow.db"]
    assert MlflowClient(uri).search_experiments()[0].name == "Default"


@pytest.mark.parametrize("uri", ["", "http://127.0.0.1:5000", "sqlite://", "postgresql://host/runs"])
def test_other_stores_are_left_to_mlflow(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracking.make_database(uri)
    assert list(tmp_path.iterdir()) == []
