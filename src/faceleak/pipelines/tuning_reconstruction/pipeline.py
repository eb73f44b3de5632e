"""The `tuning_reconstruction` pipeline: from reference backbones to a search that was chosen on own data."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.reconstruction.evaluators import embed_people
from faceleak.pipelines.target.pipeline import VIEW_TARGET
from faceleak.pipelines.tuning_reconstruction import nodes

COMPUTE, BOOTSTRAP = "params:compute", "params:bootstrap"
MEMBERSHIP, RECONSTRUCTION, TUNING = "params:membership", "params:reconstruction", "params:tuning_reconstruction"


def make_own_world() -> Pipeline:
    """People of the attacker's own, and evaluators who know no others."""
    return Pipeline(
        [
            Node(
                nodes.gather_own_people,
                ["splits", "reference_splits", RECONSTRUCTION, TUNING],
                "own_splits",
                name="gather_own_people",
            ),
            Node(
                nodes.train_own_evaluators,
                ["face_store", "own_splits", RECONSTRUCTION, COMPUTE],
                "own_evaluators",
                name="train_own_evaluators",
            ),
            Node(
                embed_people,
                ["own_evaluators", "face_store", "own_splits", COMPUTE],
                "own_people_embeddings",
                name="embed_own_people",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """Own world, study, and the chosen search beside the default one on the audited target."""
    own = [
        "references",
        "face_store",
        "reference_splits",
        "own_splits",
        "own_evaluators",
        "own_people_embeddings",
    ]
    audited = ["tuning_reconstruction_trials", "evaluators", "people_embeddings"]
    study = Pipeline(
        [
            Node(
                nodes.run_study,
                [*own, MEMBERSHIP, RECONSTRUCTION, TUNING, BOOTSTRAP, COMPUTE],
                [
                    "tuning_reconstruction_trials",
                    "tuning_reconstruction_importances",
                    "tuned_search",
                    "tuning_front_figure",
                ],
                name="run_reconstruction_study",
            ),
            Node(
                nodes.reconstruct_by_both,
                ["views", "references", "attack_models", "tuned_search", MEMBERSHIP, RECONSTRUCTION, COMPUTE],
                "tuning_reconstructions",
                name="reconstruct_by_both",
            ),
            Node(
                nodes.compare_with_default,
                ["tuning_reconstructions", *audited, RECONSTRUCTION, BOOTSTRAP, COMPUTE],
                ["tuning_reconstruction_metrics", "tuning_reconstruction_figure"],
                name="compare_searches",
            ),
        ]
    )
    return Pipeline([VIEW_TARGET]) + make_own_world() + study
