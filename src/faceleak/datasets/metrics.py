"""Metrics of variants: a JSON file for people and DVC, and one child run a variant in MLflow."""

from typing import Any

import mlflow
from mlflow.tracking import MlflowClient

from faceleak.datasets.trees import TreeDataset
from faceleak.trees import flatten

VARIANT_TAG = "faceleak.variant"


class MetricsDataset(TreeDataset):
    """Variant → tree of numbers. Saved in a run, each variant's numbers are logged to its child run."""

    def save(self, data: dict[str, dict[str, Any]]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            for variant, tree in data.items():
                log_variant(variant, flatten(tree))


def log_variant(variant: str, metrics: dict[str, float]) -> None:
    """Log `metrics` to the active run's child of this variant, which is made if it is not there yet."""
    parent = mlflow.active_run()
    assert parent is not None
    client = MlflowClient()
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}' and tags.`{VARIANT_TAG}` = '{variant}'"
    children = client.search_runs([parent.info.experiment_id], query)
    run_id = children[0].info.run_id if children else None
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else variant, nested=True):
        if run_id is None:
            mlflow.set_tag(VARIANT_TAG, variant)
        mlflow.log_metrics({name: float(value) for name, value in metrics.items() if value is not None})
