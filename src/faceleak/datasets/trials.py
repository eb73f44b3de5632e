"""Trials of a study: a CSV file for people and DVC, and one child run a trial in MLflow."""

import time
from collections.abc import Hashable
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from faceleak.datasets.tables import CSVDataset

TRIAL_TAG, STATE_TAG = "faceleak.trial", "faceleak.trial_state"


class TrialsDataset(CSVDataset):
    """One row a trial. Saved in a run, each trial's parameters and values are logged to a child run of its own."""

    def save(self, data: pd.DataFrame) -> None:
        """Write the CSV, then log to MLflow if a run is active."""
        super().save(data)
        run = mlflow.active_run()
        if run is not None:
            for row in data.to_dict("records"):
                _log_trial(row, run)


def _log_trial(row: dict[Hashable, Any], parent: mlflow.ActiveRun) -> None:
    """Log a trial as a finished run: values after each fold are one metric with steps."""
    client, now, number = MlflowClient(), int(time.time() * 1000), row["trial"]
    tags = {
        MLFLOW_PARENT_RUN_ID: parent.info.run_id,
        MLFLOW_RUN_NAME: f"trial {number}",
        TRIAL_TAG: str(number),
        STATE_TAG: str(row["state"]),
    }
    run = client.create_run(parent.info.experiment_id, tags=tags)
    named = {str(column): value for column, value in row.items()}
    parameters = [Param(name, str(value)) for name, value in named.items() if _is_parameter(name)]
    metrics = [
        Metric(f"tuning/{name.rpartition('_')[0]}", float(value), now, int(name.rpartition("_")[2]))
        for name, value in named.items()
        if name.startswith("own_auc_") and pd.notna(value)
    ]
    client.log_batch(run.info.run_id, metrics, parameters)
    client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))


def _is_parameter(column: str) -> bool:
    return column not in ("trial", "state") and not column.startswith("own_auc")
