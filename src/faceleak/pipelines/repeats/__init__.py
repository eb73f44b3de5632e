"""The `repeats` pipeline: several targets, all attacks, averages and worst cases; beside faces it takes nothing."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.membership import prepare_references
from faceleak.pipelines.repeats import nodes
from faceleak.runs.order import ALONE


def create_pipeline() -> Pipeline:
    """Draw, train, attack and measure several targets; compare attacks; rank records by their risk.

    The reference backbones are its own where no other pipeline of the same command makes them.
    """
    options, compute = "params:membership", "params:compute"
    own = Pipeline(
        [
            Node(
                nodes.draw_targets,
                ["face_store", "splits", "params:faces", options],
                "target_splits",
                name="draw_targets",
            ),
            Node(
                nodes.train_targets,
                ["face_store", "target_splits", "params:target", compute],
                "repeated_targets",
                name="train_targets",
            ),
            Node(
                nodes.read_target_signals,
                ["repeated_targets", "face_store", "splits", "target_splits", options, compute],
                "target_signals",
                name="read_target_signals",
            ),
            Node(
                nodes.read_target_calibration,
                ["references", "repeated_targets", "face_store", "splits", "target_splits", options, compute],
                "target_calibration_signals",
                name="read_target_calibration",
            ),
            Node(
                nodes.score_blind_targets,
                ["target_calibration_signals", "references", "face_store", "target_splits", options, compute],
                "target_blind_scores",
                name="score_blind_targets",
            ),
            Node(
                nodes.attack_targets,
                ["target_signals", "reference_signals", "target_calibration_signals", "target_splits", options],
                ["target_scores", "record_scores"],
                name="attack_targets",
            ),
            Node(
                nodes.measure_targets,
                ["target_scores", "target_blind_scores", options, "params:bootstrap"],
                "comparison_metrics",
                name="measure_targets",
            ),
            Node(
                nodes.write_comparison,
                ["comparison_metrics", options],
                ["comparison_text", "comparison_table", "comparison_figure"],
                name="write_comparison",
            ),
            Node(
                nodes.rank_risks,
                "record_scores",
                ["image_risks", "identity_risks", "risk_calibration"],
                name="rank_risks",
            ),
            Node(
                nodes.draw_risks,
                ["image_risks", "record_scores", "face_store"],
                ["risk_figure", "risk_calibration_figure"],
                name="draw_risks",
            ),
        ]
    )
    return Pipeline(prepare_references(), tags=ALONE) + own
