"""The `reconstruction` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.metrics.identity_match import hit_list
from faceleak.pipelines.reconstruction import nodes, pictures
from faceleak.pipelines.target import VIEW_TARGET


def prepare_evaluator() -> Pipeline:
    """The evaluators, and the people that reconstructions are compared with."""
    options, compute = "params:reconstruction", "params:compute"
    return Pipeline(
        [
            Node(
                nodes.train_evaluators,
                ["face_store", "splits", options, compute],
                "evaluators",
                name="train_evaluators",
            ),
            Node(
                nodes.embed_people,
                ["evaluators", "face_store", "splits", compute],
                "people_embeddings",
                name="embed_people",
            ),
        ]
    )


def reconstruct_views() -> Pipeline:
    """Reconstruct and judge for any views: the target's here, the variants' in the `defense` pipeline."""
    options, compute = "params:reconstruction", "params:compute"
    return Pipeline(
        [
            Node(
                nodes.fit_untrained,
                [
                    "views",
                    "references",
                    "face_store",
                    "splits",
                    "reference_splits",
                    options,
                    "params:membership",
                    compute,
                ],
                "untrained_guide",
                name="fit_untrained",
            ),
            Node(
                nodes.reconstruct_faces,
                [
                    "views",
                    "references",
                    "untrained_guide",
                    "attack_models",
                    "face_store",
                    "splits",
                    options,
                    "params:membership",
                    "params:reconstruction.attackers",
                    "params:reconstruction.search.rounds",
                    compute,
                ],
                "reconstructions",
                name="reconstruct_faces",
            ),
            Node(
                nodes.embed_reconstructions,
                ["reconstructions", "evaluators", compute],
                "reconstruction_embeddings",
                name="embed_reconstructions",
            ),
            Node(
                nodes.measure_reconstruction,
                ["reconstructions", "reconstruction_embeddings", "people_embeddings", options, "params:bootstrap"],
                "reconstruction_metrics",
                name="measure_reconstruction",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """Evaluators, reconstructions of the target, match rates and pictures."""
    options = "params:reconstruction"
    judged = ["reconstructions", "reconstruction_embeddings", "findings", "people_embeddings"]
    figures = Pipeline(
        [
            Node(
                nodes.list_findings,
                ["reconstructions", "reconstruction_embeddings", "people_embeddings", "face_store", options],
                "findings",
                name="list_findings",
            ),
            Node(hit_list, "findings", "hits", name="count_hits"),
            Node(
                pictures.draw_gallery,
                [*judged, "face_store", options],
                ["gallery_figure", "untrained_gallery_figure"],
                name="draw_gallery",
            ),
            Node(pictures.draw_steps, "reconstructions", "steps_figure", name="draw_steps"),
            Node(
                pictures.draw_film_strips,
                [*judged, "face_store", options],
                "film_strips_figure",
                name="draw_film_strips",
            ),
            Node(
                pictures.draw_embedding_map,
                ["reconstruction_embeddings", "findings", "people_embeddings", options],
                "embedding_map_figure",
                name="draw_embedding_map",
            ),
        ]
    )
    return Pipeline([VIEW_TARGET]) + prepare_evaluator() + reconstruct_views() + figures
