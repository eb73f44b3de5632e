"""Trials of a study: a CSV file for people and DVC, and one child run a trial in MLflow."""

import time
from collections.abc import Sequence
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from faceleak.runs.datasets.tables import CSVDataset

TRIAL_TAG, STATE_TAG = "faceleak.trial", "faceleak.trial_state"


class TrialsDataset(CSVDataset):
    """One row a trial. Saved in a run, each trial's parameters and values are logged to a child run of its own.

    values: columns that become metrics, as `<stage>/<value>`; with columns `<value>_1` … those are logged, as steps.
    marks: columns that become tags. All others but `trial` and `state` are parameters.
    """

    def __init__(self, *, stage: str, values: Sequence[str], marks: Sequence[str] = (), **given: Any) -> None:
        super().__init__(**given)
        self._stage, self._values, self._marks = stage, tuple(values), tuple(marks)

    def save(self, data: pd.DataFrame) -> None:
        """Write the CSV, then log to MLflow if a run is active."""
        super().save(data)
        run = mlflow.active_run()
        if run is not None:
            for row in data.to_dict("records"):
                self._log_trial({str(column): value for column, value in row.items()}, run)

    def _log_trial(self, row: dict[str, Any], parent: mlflow.ActiveRun) -> None:
        """Log a trial as a finished run."""
        client, now, number = MlflowClient(), int(time.time() * 1000), row["trial"]
        tags = {
            MLFLOW_PARENT_RUN_ID: parent.info.run_id,
            MLFLOW_RUN_NAME: f"trial {number}",
            TRIAL_TAG: str(number),
            STATE_TAG: str(row["state"]),
            **{f"faceleak.{mark}": str(row[mark]) for mark in self._marks},
        }
        run = client.create_run(parent.info.experiment_id, tags=tags)
        parameters = [Param(name, str(value)) for name, value in row.items() if self._is_parameter(name)]
        metrics = [
            Metric(f"{self._stage}/{name}", float(value), now, step)
            for name in self._values
            for step, value in self._history(row, name)
            if pd.notna(value)
        ]
        client.log_batch(run.info.run_id, metrics, parameters)
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))

    def _history(self, row: dict[str, Any], name: str) -> list[tuple[int, Any]]:
        """Steps and values of a metric: after each fold, or the one there is."""
        folds = [column for column in row if _value_of(column) == name]
        return [(int(column.removeprefix(f"{name}_")), row[column]) for column in folds] or [(0, row[name])]

    def _is_parameter(self, column: str) -> bool:
        others = {"trial", "state", *self._values, *self._marks}
        return column not in others and _value_of(column) not in self._values


def _value_of(column: str) -> str | None:
    """The value that a column tells after a fold: own_auc of own_auc_3."""
    name, _, fold = column.rpartition("_")
    return name if fold.isdecimal() else None
