"""The `targeted` pipeline: what leaked embeddings give away; after `attack`, whose evaluators judge."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.targeted import nodes


def create_pipeline() -> Pipeline:
    """Templates, faces made of them, and how often they are accepted."""
    options, compute = "params:reconstruction", "params:compute"
    return Pipeline(
        [
            Node(nodes.choose_templates, ["splits", options], "templates", name="choose_templates"),
            Node(
                nodes.invert_templates,
                ["target", "face_store", "templates", options, compute],
                "inversions",
                name="invert_templates",
            ),
            Node(
                nodes.measure_inversion,
                [
                    "inversions",
                    "templates",
                    "people_embeddings",
                    "evaluators",
                    options,
                    "params:bootstrap",
                    compute,
                ],
                "targeted_metrics",
                name="measure_inversion",
            ),
        ]
    )
