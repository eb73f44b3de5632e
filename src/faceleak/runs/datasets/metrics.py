"""What is known of variants: a JSON file for people and DVC, and one child run a variant in MLflow."""

from typing import Any

import mlflow
from mlflow.tracking import MlflowClient

from faceleak.common.trees import flatten
from faceleak.runs.datasets.trees import TreeDataset

VARIANT_TAG, CHANGED_TAG = "faceleak.variant", "faceleak.changed_parameters"


class MetricsDataset(TreeDataset):
    """Variant → tree of numbers. Saved in a run, each variant's numbers are logged to its child run."""

    def save(self, data: dict[str, dict[str, Any]]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            for variant, tree in data.items():
                numbers = {name: float(value) for name, value in flatten(tree).items() if value is not None}
                with child_run(variant):
                    mlflow.log_metrics(numbers)


class SettingsDataset(TreeDataset):
    """Variant → tree of settings. Saved in a run, each variant's settings are the parameters of its child run."""

    def save(self, data: dict[str, dict[str, Any]]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            for variant, tree in data.items():
                with child_run(variant):
                    mlflow.log_params(flatten(tree, "."))


def child_run(variant: str) -> mlflow.ActiveRun:
    """Enter the active run's child of this variant, which is made if it is not there yet."""
    parent = mlflow.active_run()
    assert parent is not None
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}' and tags.`{VARIANT_TAG}` = '{variant}'"
    children = MlflowClient().search_runs([parent.info.experiment_id], query)
    if children:
        return mlflow.start_run(run_id=children[0].info.run_id, nested=True)
    changed = MlflowClient().get_run(parent.info.run_id).data.tags.get(CHANGED_TAG)
    name = f"{variant}: {changed}" if changed else variant
    return mlflow.start_run(run_name=name, tags={VARIANT_TAG: variant}, nested=True)
