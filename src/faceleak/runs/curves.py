"""Curves in MLflow: the loss of each backbone that was trained here, and the objective of each search."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from faceleak.membership.attackers import suffix_of
from faceleak.reconstruction.arrays import ReconstructionArray
from faceleak.runs.datasets.metrics import child_run

TOGETHER = ("references", "evaluators", "repeated_targets")
MAXIMIZED = {"optimized": "objective", "untrained_guided": "objective_untrained"}

Curve = tuple[str, Sequence[float]]


def log_curves(outputs: Mapping[str, Any]) -> None:
    """Log the curves among a node's outputs to the active run, and those of defended variants to their child runs."""
    if mlflow.active_run() is None:
        return
    groups = ({name: outputs[name] for name in ("target",) if name in outputs}, *map(outputs.get, TOGETHER))
    for name, backbone in ((name, backbone) for group in groups if group for name, backbone in group.items()):
        log_curve(loss_curve(name, backbone))
    for _, curve in ascents(outputs.get("reconstructions", {})):
        log_curve(curve)
    for variant, backbone in outputs.get("defense.variants", {}).items():
        with child_run(variant):
            log_curve(loss_curve("target", backbone))
    for variant, curve in ascents(outputs.get("defense.reconstructions", {})):
        with child_run(variant):
            log_curve(curve)


def loss_curve(name: str, backbone: Any) -> Curve:
    """The mean loss of each epoch, without a point where the backbone was not trained here."""
    return f"training/loss/{name}", backbone.card.training.get("losses", [])


def ascents(reconstructions: Mapping[ReconstructionArray, Any]) -> Iterator[tuple[str, Curve]]:
    """Yield variant and curve of each maximize: the mean of what was maximized at each step."""
    for (variant, attacker, step, part), means in reconstructions.items():
        if part == "ascent":
            yield variant, (f"search/{MAXIMIZED[step]}{suffix_of(attacker)}", means)


def log_curve(curve: Curve) -> None:
    """Log a metric with steps 1, 2, … to the active run."""
    run, now, (name, values) = mlflow.active_run(), int(time.time() * 1000), curve
    assert run is not None
    points = [Metric(name, float(value), now, step) for step, value in enumerate(values, start=1)]
    for start in range(0, len(points), MAX_METRICS_PER_BATCH):
        MlflowClient().log_batch(run.info.run_id, points[start : start + MAX_METRICS_PER_BATCH])
