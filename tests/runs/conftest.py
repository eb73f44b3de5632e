"""MLflow with a database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient


@pytest.fixture
def experiment(tmp_path: Path, empty_database: Path) -> Iterator[str]:
    """The identifier of an experiment without any run, to which MLflow logs from here on."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.set_experiment("tests").experiment_id
    mlflow.set_tracking_uri(before)


@pytest.fixture
def client(experiment: str) -> MlflowClient:
    """A client of that database."""
    return MlflowClient()
