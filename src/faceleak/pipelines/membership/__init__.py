"""The `membership` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.auditing import membership as nodes
from faceleak.membership.scoring import score_blind
from faceleak.pipelines.target import VIEW_TARGET


def prepare_references(*waited_for: str) -> Pipeline:
    """Reference backbones, trained once `waited_for` is there, and what they show of the attacker's own images."""
    options, compute = "params:membership", "params:compute"
    return Pipeline(
        [
            Node(nodes.check_attacks, ["params:target", options], None, name="check_attacks"),
            Node(nodes.split_references, ["splits", options], "reference_splits", name="split_references"),
            Node(
                nodes.train_references,
                ["face_store", "reference_splits", options, compute, *waited_for],
                "references",
                name="train_references",
            ),
            Node(
                nodes.read_reference_signals,
                ["references", "face_store", "splits", "reference_splits", options, compute],
                "reference_signals",
                name="read_reference_signals",
            ),
        ]
    )


def prepare_attackers() -> Pipeline:
    """What attackers have before they meet a variant: reference backbones and the blind baseline."""
    options, compute = "params:membership", "params:compute"
    baseline = Pipeline(
        [
            Node(
                nodes.read_calibration_signals,
                ["references", "face_store", "splits", options, compute],
                "calibration_signals",
                name="read_calibration_signals",
            ),
            Node(
                nodes.read_blind_signals,
                ["calibration_signals", "references", "face_store", "splits", options, compute],
                "blind_signals",
                name="read_blind_signals",
            ),
            Node(score_blind, ["blind_signals", "splits", options], "blind_scores", name="score_blind"),
        ]
    )
    return prepare_references("utility_metrics") + baseline


def attack_views(*shadow_models: str) -> Pipeline:
    """Read, fit, score and measure for any views: the target's here, the variants' in the `defense` pipeline.

    shadow_models: the dataset with what shadows taught that were defended as the views were, if there is one.
    """
    options, compute = "params:membership", "params:compute"
    return Pipeline(
        [
            Node(
                nodes.read_view_signals,
                ["views", "face_store", "splits", options, compute],
                "signals",
                name="read_signals",
            ),
            Node(
                nodes.fit_attacks,
                [
                    "signals",
                    "reference_signals",
                    "calibration_signals",
                    "splits",
                    options,
                    "params:membership.threat_models",
                    compute,
                    *shadow_models,
                ],
                "attack_models",
                name="fit_attacks",
            ),
            Node(
                nodes.score_images,
                ["signals", "calibration_signals", "attack_models", "splits", "params:attackers"],
                "scores",
                name="score_images",
            ),
            Node(
                nodes.measure_membership,
                ["scores", "blind_scores", options, "params:bootstrap", compute],
                "membership_metrics",
                name="measure_membership",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """References, signals, attacks, scores, metrics and figures for the target."""
    figures = Pipeline(
        [
            Node(nodes.draw_roc, ["scores", "blind_scores", "params:membership"], "roc_figure", name="draw_roc"),
            Node(nodes.list_roc_points, ["scores", "blind_scores"], "roc_points", name="list_roc_points"),
            Node(
                nodes.measure_subgroups,
                ["scores", "params:membership", "params:bootstrap"],
                "subgroups",
                name="measure_subgroups",
            ),
            Node(nodes.draw_histograms, ["signals", "splits"], "distance_figure", name="draw_histograms"),
        ]
    )
    return Pipeline([VIEW_TARGET]) + prepare_attackers() + attack_views() + figures
