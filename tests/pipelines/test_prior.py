"""The `prior` pipeline: what it leaves, its series in MLflow, and the reconstruction pipeline that takes it."""

import json
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from safetensors.numpy import load_file

from .conftest import kedro


@pytest.fixture(scope="module")
def trained(audited: Path, tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """The audited project, copied, with a prior and runs of its own."""
    project = tmp_path_factory.mktemp("prior") / "project"
    shutil.copytree(audited, project, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    shutil.copy(empty_database, project)
    run = kedro(project, "run", "--env=smoke", "--pipelines=prior")
    assert run.returncode == 0, run.stdout + run.stderr
    return project


def test_a_prior_is_left_with_its_history(trained: Path) -> None:
    data = trained / "data/smoke"
    assert {path.name for path in (data / "06_models/prior").iterdir()} == {"prior.json", "prior.safetensors"}
    history = pd.read_csv(data / "08_reporting/prior_history.csv")
    assert history["images_shown"].tolist() == [32, 64]
    assert (history["kid_by_evaluator_ci_low"] < history["kid_by_evaluator_ci_high"]).all()
    metrics = json.loads((data / "08_reporting/prior_metrics.json").read_text())
    assert metrics == pytest.approx(history.iloc[-1].to_dict())
    assert {"copied_share", "nearest_training_distance", "nearest_training_distance_held_out"} < metrics.keys()
    assert (data / "08_reporting/prior_samples.png").stat().st_size > 10_000
    splits = pd.read_parquet(data / "03_primary/prior_splits.parquet")
    assert set(splits["role"]) == {"public"}
    assert splits.groupby("identity")["part"].nunique().eq(1).all()


def test_mlflow_has_the_series_and_a_sheet_a_round_also_where_nothing_is_trained_again(trained: Path) -> None:
    again = kedro(trained, "run", "--env=smoke", "--pipelines=prior")
    assert again.returncode == 0, again.stdout + again.stderr
    before = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(f"sqlite:///{trained / 'mlflow.db'}")
        client = MlflowClient()
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        assert len(runs) == 2
        series = [client.get_metric_history(run.info.run_id, "prior/kid_by_evaluator") for run in runs]
        points = [[(point.step, point.value) for point in one] for one in series]
        assert points[0] == points[1]
        assert [step for step, _ in points[0]] == [32, 64]
        sheets = [entry.path for entry in client.list_artifacts(runs[0].info.run_id, "prior/sheets")]
        assert sheets == [f"prior/sheets/samples_{shown:09d}.png" for shown in (32, 64)]
    finally:
        mlflow.set_tracking_uri(before)


def test_reconstruction_takes_the_trained_prior_and_says_where_none_is(trained: Path) -> None:
    # what follows the search does not see the prior
    search = ("run", "--env=smoke", "--pipelines=reconstruction", "--to-outputs=reconstructions")
    run = kedro(trained, *search, "--params=reconstruction.prior=trained,reconstruction.trained_prior=data/nowhere")
    assert run.returncode != 0
    assert "no trained prior in data/nowhere" in run.stdout + run.stderr
    assert "kedro run --pipelines=prior" in run.stdout + run.stderr
    taken = kedro(trained, *search, "--params=reconstruction.prior=trained")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    latents = load_file(trained / "data/smoke/07_model_output/reconstructions.safetensors")["undefended/random/latents"]
    assert latents.shape[1] == 8  # of the trained prior; the demo's have 100
