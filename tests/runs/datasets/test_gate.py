"""What the gate leaves in MLflow."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from faceleak.runs.datasets.gate import GateDataset


@pytest.fixture
def run_id(tmp_path: Path) -> Iterator[str]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_experiment("gate")
    with mlflow.start_run() as run:
        yield run.info.run_id
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize(("passed", "tag"), [(True, "passed"), (False, "violated")])
def test_a_run_is_tagged_with_what_the_gate_found(tmp_path: Path, run_id: str, passed: bool, tag: str) -> None:
    judged = [{"passed": True}, {"passed": passed}]
    GateDataset(filepath=str(tmp_path / "gate.json")).save(judged)
    found = MlflowClient().get_run(run_id).data
    assert found.tags["faceleak.gate"] == tag
    assert found.metrics == {"gate/policies": 2, "gate/violated": int(not passed)}
    assert json.loads((tmp_path / "gate.json").read_text()) == judged
