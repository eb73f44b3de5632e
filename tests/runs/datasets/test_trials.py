"""Trials go to a CSV file and to a child run each."""

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.tracking import MlflowClient

from faceleak.runs.datasets.trials import STATE_TAG, TrialsDataset

TRIALS = pd.DataFrame(
    {
        "trial": [0, 1],
        "state": ["complete", "pruned"],
        "model": ["logistic", "mlp"],
        "calibration": [None, "features"],
        "own_auc": [0.9, 0.6],
        "own_auc_1": [0.8, 0.6],
        "own_auc_2": [0.9, None],
    }
)


def dataset(folder: Path) -> TrialsDataset:
    file = str(folder / "trials.csv")
    return TrialsDataset(filepath=file, save_args={"index": False}, stage="tuning", values=["own_auc"])


def test_without_a_run_only_the_file_is_written(tmp_path: Path) -> None:
    dataset(tmp_path).save(TRIALS)
    pd.testing.assert_frame_equal(dataset(tmp_path).load(), TRIALS, check_dtype=False)


def test_each_trial_is_a_finished_child_run_with_parameters_and_values_after_each_fold(
    tmp_path: Path, client: MlflowClient
) -> None:
    with mlflow.start_run() as parent:
        dataset(tmp_path).save(TRIALS)
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    runs = {run.info.run_name: run for run in client.search_runs([parent.info.experiment_id], query)}
    assert set(runs) == {"trial 0", "trial 1"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["trial 1"].data.params == {"model": "mlp", "calibration": "features"}
    assert runs["trial 1"].data.tags[STATE_TAG] == "pruned"
    history = client.get_metric_history(runs["trial 0"].info.run_id, "tuning/own_auc")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.8), (2, 0.9)]
    assert runs["trial 1"].data.metrics == {"tuning/own_auc": 0.6}


def test_values_without_folds_are_metrics_and_marks_are_tags(tmp_path: Path, client: MlflowClient) -> None:
    trials = pd.DataFrame(
        {"trial": [0], "state": ["complete"], "steps": [7], "own_advantage": [0.25], "error": [0.1], "chosen": [True]}
    )
    stored = TrialsDataset(
        filepath=str(tmp_path / "trials.csv"), stage="stage_2", values=["own_advantage", "error"], marks=["chosen"]
    )
    with mlflow.start_run() as parent:
        stored.save(trials)
    (run,) = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert run.data.metrics == {"stage_2/own_advantage": 0.25, "stage_2/error": 0.1}
    assert run.data.params == {"steps": "7"}
    assert run.data.tags["faceleak.chosen"] == "True"
