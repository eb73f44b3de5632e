"""The `tuning` pipeline: an attack, and a search of stage 2, that were chosen on the attacker's own data.

Its two stages, each with a tag, need nothing of each other.
"""

from kedro.pipeline import Node, Pipeline

from faceleak.auditing import membership
from faceleak.pipelines.reconstruction.nodes import embed_people
from faceleak.pipelines.target import VIEW_TARGET
from faceleak.pipelines.tuning import nodes, search_nodes

MEMBERSHIP, RECONSTRUCTION = "membership", "reconstruction"


def create_pipeline() -> Pipeline:
    """Both stages: the tuned attack, and the tuned search, beside the configured one on people that no trial saw."""
    return (
        Pipeline([VIEW_TARGET], tags=[MEMBERSHIP, RECONSTRUCTION])
        + Pipeline(tune_attack(), tags=MEMBERSHIP)
        + Pipeline(tune_search(), tags=RECONSTRUCTION)
    )


def tune_attack() -> Pipeline:
    """What any attack of the search space reads, once; study, and the tuned attack beside the default one."""
    options, compute = ["params:membership", "params:tuning"], "params:compute"
    tables = ["tuning_signals", "tuning_reference_signals", "tuning_calibration_signals", "splits"]
    return Pipeline(
        [
            Node(nodes.list_candidates, options, "candidates", name="list_candidates"),
            Node(
                membership.read_view_signals,
                ["views", "face_store", "splits", "candidates", compute],
                "tuning_signals",
                name="read_tuning_signals",
            ),
            Node(
                membership.read_reference_signals,
                ["references", "face_store", "splits", "reference_splits", "candidates", compute],
                "tuning_reference_signals",
                name="read_tuning_reference_signals",
            ),
            Node(
                membership.read_calibration_signals,
                ["references", "face_store", "splits", "candidates", compute],
                "tuning_calibration_signals",
                name="read_tuning_calibration_signals",
            ),
            Node(
                nodes.run_study,
                [*tables, *options, compute],
                ["tuning_trials", "tuning_importances", "tuned_attack", "tuning_study_figure"],
                name="run_study",
            ),
            Node(
                nodes.judge_on_fresh_people,
                [*tables, "tuned_attack", *options, compute],
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


def tune_search() -> Pipeline:
    """People and evaluators of the attacker's own; the study, and the chosen search beside the default."""
    membership_options, options, own_options = (
        "params:membership",
        "params:reconstruction",
        "params:tuning_reconstruction",
    )
    bootstrap, compute = "params:bootstrap", "params:compute"
    own = ["own_splits", "own_evaluators", "own_people_embeddings"]
    audited = ["tuning_reconstruction_trials", "evaluators", "people_embeddings"]
    return Pipeline(
        [
            Node(
                search_nodes.gather_own_people,
                ["splits", "reference_splits", options, own_options],
                "own_splits",
                name="gather_own_people",
            ),
            Node(
                search_nodes.train_own_evaluators,
                ["face_store", "own_splits", options, compute],
                "own_evaluators",
                name="train_own_evaluators",
            ),
            Node(
                embed_people,
                ["own_evaluators", "face_store", "own_splits", compute],
                "own_people_embeddings",
                name="embed_own_people",
            ),
            Node(
                search_nodes.run_study,
                [
                    "references",
                    "face_store",
                    "reference_splits",
                    *own,
                    membership_options,
                    options,
                    own_options,
                    bootstrap,
                    compute,
                ],
                [
                    "tuning_reconstruction_trials",
                    "tuning_reconstruction_importances",
                    "tuned_search",
                    "tuning_front_figure",
                ],
                name="run_reconstruction_study",
            ),
            Node(
                search_nodes.reconstruct_by_both,
                ["views", "references", "attack_models", "tuned_search", membership_options, options, compute],
                "tuning_reconstructions",
                name="reconstruct_by_both",
            ),
            Node(
                search_nodes.compare_with_default,
                ["tuning_reconstructions", *audited, options, bootstrap, compute],
                ["tuning_reconstruction_metrics", "tuning_reconstruction_figure"],
                name="compare_searches",
            ),
        ]
    )
