"""The `prior` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.prior import nodes


def create_pipeline() -> Pipeline:
    """Public faces → a generator of such faces, how near it comes to them over time, and what it draws."""
    options, compute = "params:prior", "params:compute"
    return Pipeline(
        [
            Node(nodes.hold_out_people, ["splits", options], "prior_splits", name="hold_out_people"),
            Node(
                nodes.open_features,
                ["face_store", "splits", options, "params:reconstruction", compute],
                "prior_features",
                name="open_prior_features",
            ),
            Node(
                nodes.embed_public,
                ["prior_features", "face_store", "prior_splits", options, compute],
                "public_embeddings",
                name="embed_public",
            ),
            Node(
                nodes.train_prior,
                ["face_store", "prior_features", "public_embeddings", options, "params:bootstrap", compute],
                ["prior", "prior_history"],
                name="train_prior",
            ),
            Node(nodes.measure_prior, "prior_history", "prior_metrics", name="measure_prior"),
            Node(
                nodes.draw_prior,
                ["prior", "prior_features", "public_embeddings", "face_store", options, compute],
                "prior_figure",
                name="draw_prior",
            ),
        ]
    )
