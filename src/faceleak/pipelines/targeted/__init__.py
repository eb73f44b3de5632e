"""The `targeted` pipeline: what an embedding or an image gives away; after `attack`, whose evaluators judge."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.targeted import nodes


def create_pipeline() -> Pipeline:
    """Templates, faces made of them, and how often they are accepted; the same from images, led by the attack."""
    options, compute = "params:reconstruction", "params:compute"
    return Pipeline(
        [
            Node(nodes.choose_templates, ["splits", options], "templates", name="choose_templates"),
            Node(
                nodes.invert_templates,
                ["target", "face_store", "splits", "templates", options, compute],
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
            Node(
                nodes.choose_person_images,
                ["splits", options],
                "person_images",
                name="choose_person_images",
            ),
            Node(
                nodes.search_person_images,
                [
                    "target",
                    "references",
                    "attack_models",
                    "face_store",
                    "splits",
                    "person_images",
                    options,
                    "params:membership",
                    compute,
                ],
                "person_faces",
                name="search_person_images",
            ),
            Node(
                nodes.measure_person_images,
                [
                    "person_faces",
                    "person_images",
                    "people_embeddings",
                    "evaluators",
                    options,
                    "params:bootstrap",
                    compute,
                ],
                "person_image_metrics",
                name="measure_person_images",
            ),
            Node(
                nodes.draw_targeted,
                [
                    "inversions",
                    "templates",
                    "person_faces",
                    "person_images",
                    "targeted_metrics",
                    "person_image_metrics",
                    "splits",
                    "face_store",
                ],
                "targeted_figure",
                name="draw_targeted",
            ),
        ]
    )
