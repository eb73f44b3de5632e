"""What the gate found: a JSON file, and a tag and counts in MLflow."""

from typing import Any

import mlflow

from faceleak.runs.datasets.trees import TreeDataset

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
