"""Trials of a study: a CSV file for people and DVC, and one child run a trial in MLflow."""

import time
from collections.abc import Collection, Sequence
from itertools import count, takewhile
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from faceleak.runs.datasets.tables import CSVDataset
from faceleak.tuning.results import after_fold

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
        steps = {name: _steps(name, row) for name in self._values}
        others = {
            "trial",
            "state",
            *self._values,
            *self._marks,
            *(name for of in steps.values() for name in of.values()),
        }
        parameters = [Param(name, str(value)) for name, value in row.items() if name not in others]
        metrics = [
            Metric(f"{self._stage}/{name}", float(value), now, step)
            for name in self._values
            for step, column in steps[name].items()
            if pd.notna(value := row[column])
        ]
        client.log_batch(run.info.run_id, metrics, parameters)
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))


def _steps(value: str, columns: Collection[str]) -> dict[int, str]:
    """Step → the column that tells a value there: after each fold, or the one there is."""
    folds = ((fold, after_fold(value, fold)) for fold in count(1))
    return dict(takewhile(lambda fold: fold[1] in columns, folds)) or {0: value}
