"""The `tuning` pipeline: from a target and reference backbones to an attack that was chosen on own data."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.membership import nodes as membership
from faceleak.pipelines.target.pipeline import VIEW_TARGET
from faceleak.pipelines.tuning import nodes

COMPUTE = "params:compute"
TABLES = ["tuning_signals", "tuning_reference_signals", "tuning_calibration_signals", "splits"]
OPTIONS = ["params:membership", "params:tuning"]


def read_candidates() -> Pipeline:
    """Everything that any attack of the search space reads, once."""
    return Pipeline(
        [
            Node(nodes.list_candidates, OPTIONS, "candidates", name="list_candidates"),
            Node(
                membership.read_view_signals,
                ["views", "face_store", "splits", "candidates", COMPUTE],
                "tuning_signals",
                name="read_tuning_signals",
            ),
            Node(
                membership.read_reference_signals,
                ["references", "face_store", "splits", "reference_splits", "candidates", COMPUTE],
                "tuning_reference_signals",
                name="read_tuning_reference_signals",
            ),
            Node(
                membership.read_calibration_signals,
                ["references", "face_store", "splits", "candidates", COMPUTE],
                "tuning_calibration_signals",
                name="read_tuning_calibration_signals",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """Signals, study, and the tuned attack beside the default one on fresh people."""
    own = Pipeline(
        [
            Node(
                nodes.run_study,
                [*TABLES, *OPTIONS, COMPUTE],
                ["tuning_trials", "tuning_importances", "tuned_attack", "tuning_study_figure"],
                name="run_study",
            ),
            Node(
                nodes.judge_on_fresh_people,
                [*TABLES, "tuned_attack", *OPTIONS, COMPUTE],
                "tuning_scores",
                name="judge_on_fresh_people",
            ),
            Node(
                nodes.compare_with_default,
                [
                    "tuning_scores",
                    "tuning_trials",
                    "tuning_reference_signals",
                    "splits",
                    "params:tuning",
                    "params:bootstrap",
                ],
                ["tuning_metrics", "tuning_figure"],
                name="compare_with_default",
            ),
        ]
    )
    return Pipeline([VIEW_TARGET]) + read_candidates() + own
