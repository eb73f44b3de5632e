"""Losses and maximizes become metrics with steps: of the run, and of a variant's child run."""

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from faceleak.reconstruction.arrays import ReconstructionArray
from faceleak.runs.curves import log_curves


def series(client: MlflowClient, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, metric)]


@pytest.fixture
def trained(tiny_backbone):
    card = tiny_backbone.card
    tiny_backbone.card = card.model_copy(update={"training": {"losses": [3.0, 2.5]}})
    return tiny_backbone


def test_losses_and_climbs_of_a_run_have_a_step_an_epoch_or_a_step_of_the_search(client, trained) -> None:
    ascent = {
        ReconstructionArray("undefended", "plain", "optimized", "ascent"): np.array([0.5, 1.5]),
        ReconstructionArray("undefended", "plain", "optimized", "scores"): np.array([9.0]),
    }
    with mlflow.start_run() as run:
        log_curves(
            {"target": trained, "references": {"reference_0": trained}, "reconstructions": ascent, "splits": None}
        )
    assert series(client, run.info.run_id, "training/loss/target") == [(1, 3.0), (2, 2.5)]
    assert series(client, run.info.run_id, "training/loss/reference_0") == [(1, 3.0), (2, 2.5)]
    assert series(client, run.info.run_id, "search/objective") == [(1, 0.5), (2, 1.5)]


def test_curves_of_defended_variants_are_in_their_child_runs(client, trained, tiny_backbone) -> None:
    ascent = {ReconstructionArray("noise", "adaptive", "untrained_guided", "ascent"): np.array([0.5])}
    with mlflow.start_run() as run:
        log_curves({"defense.variants": {"noise": trained}, "defense.reconstructions": ascent})
    query = f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    (child,) = client.search_runs([run.info.experiment_id], query)
    assert child.data.tags["faceleak.variant"] == "noise"
    assert child.data.metrics == {"training/loss/target": 2.5, "search/objective_untrained_adaptive": 0.5}
    assert client.get_run(run.info.run_id).data.metrics == {}


def test_a_backbone_from_elsewhere_has_no_curve_and_without_a_run_nothing_is_logged(client, tiny_backbone) -> None:
    log_curves({"target": tiny_backbone})
    assert mlflow.active_run() is None
    with mlflow.start_run() as run:
        log_curves({"target": tiny_backbone})
    assert client.get_run(run.info.run_id).data.metrics == {}
