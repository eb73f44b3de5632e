"""Results that are a JSON file for people and DVC, and numbers in MLflow.

What is known of variants goes to one child run a variant; what the gate found and what an audit will cost, to the run.
"""

from typing import Any

import mlflow
from mlflow.tracking import MlflowClient

from faceleak.common.trees import flatten
from faceleak.runs.datasets.text import TreeDataset

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


GATE_TAG = "faceleak.gate"


class GateDataset(TreeDataset):
    """Judged policies. Saved in a run, it is tagged `passed` or `violated`."""

    def save(self, data: list[dict[str, Any]]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            violated = sum(not policy["passed"] for policy in data)
            mlflow.set_tag(GATE_TAG, "violated" if violated else "passed")
            mlflow.log_metrics({"gate/policies": len(data), "gate/violated": violated})


class PlanDataset(TreeDataset):
    """A plan. Saved in a run, its totals and lines are metrics `plan/<pipeline>/<kind>/<number>`."""

    def save(self, data: dict[str, Any]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            mlflow.log_metrics({f"plan/{name}": float(value) for name, value in flatten(_numbers(data)).items()})


def _numbers(plan: dict[str, Any]) -> dict[str, Any]:
    names = ("tasks", "there", "seconds", "cpu_seconds", "disk", "memory")
    tree: dict[str, Any] = {"total": plan["totals"]}
    for line in plan["lines"]:
        kind = line["kind"].replace(" ", "_").replace("'", "")
        tree.setdefault(line["pipeline"], {})[kind] = {name: line[name] for name in names}
    return tree
