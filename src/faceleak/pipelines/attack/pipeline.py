"""The `attack` pipeline: from images to the success of both attack stages on the target."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines import faces, membership, reconstruction, reporting, target
from faceleak.pipelines.attack.nodes import train_together

TRAINED_APART = ("get_target", "train_references", "train_evaluators")


def create_pipeline() -> Pipeline:
    """Faces, target, membership, reconstruction, and the table of results, with all backbones trained side by side."""
    rooms = (faces, target, membership, reconstruction, reporting)
    apart = sum((room.create_pipeline() for room in rooms), Pipeline([]))
    together = Node(
        train_together,
        [
            "face_store",
            "splits",
            "reference_splits",
            "params:target",
            "params:membership",
            "params:reconstruction",
            "params:compute",
        ],
        ["target", "references", "evaluators"],
        name="train_backbones",
    )
    return apart - apart.only_nodes(*TRAINED_APART) + Pipeline([together])
