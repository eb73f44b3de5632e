"""What an audit will cost: a JSON file, and numbers in MLflow."""

from typing import Any

import mlflow

from faceleak.common.trees import flatten
from faceleak.runs.datasets.trees import TreeDataset


class PlanDataset(TreeDataset):
    """A plan. Saved in a run, its totals and lines are metrics `plan/<pipeline>/<kind>/<number>`."""

    def save(self, data: dict[str, Any]) -> None:
        """Write the JSON, then log to MLflow if a run is active."""
        super().save(data)
        if mlflow.active_run() is not None:
            mlflow.log_metrics({f"plan/{name}": float(value) for name, value in flatten(_numbers(data)).items()})


def _numbers(plan: dict[str, Any]) -> dict[str, Any]:
    names = ("pieces", "there", "seconds", "cpu_seconds", "disk", "memory")
    tree: dict[str, Any] = {"total": plan["totals"]}
    for line in plan["lines"]:
        kind = line["kind"].replace(" ", "_").replace("'", "")
        tree.setdefault(line["pipeline"], {})[kind] = {name: line[name] for name in names}
    return tree
