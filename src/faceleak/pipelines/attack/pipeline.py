"""The `attack` pipeline: from images to the success of both attack stages on the target."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines import faces, membership, reconstruction, reporting, target
from faceleak.pipelines.attack.nodes import train_others, train_together

TRAINED_APART = ("get_target", "train_references", "train_evaluators")


def create_pipeline() -> Pipeline:
    """Faces, target, membership, reconstruction, and the table of results, with backbones trained side by side."""
    rooms = (faces, target, membership, reconstruction, reporting)
    apart = sum((room.create_pipeline() for room in rooms), Pipeline([]))
    faces_of, options = ["face_store", "splits", "reference_splits"], ["params:membership", "params:reconstruction"]
    together = [
        Node(
            train_together,
            [*faces_of, "params:target", *options, "params:compute"],
            "target",
            name="train_backbones",
        ),
        Node(
            train_others,
            [*faces_of, *options, "params:compute", "utility_metrics"],
            ["references", "evaluators"],
            name="train_others",
        ),
    ]
    return apart - apart.only_nodes(*TRAINED_APART) + Pipeline(together)
