"""The `attack` pipeline: from images to the success of both attack stages on the target."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines import faces, membership, reconstruction, target
from faceleak.pipelines.attack.nodes import train_others, train_together
from faceleak.pipelines.report import report_views

TOGETHER = ("train_backbones", "train_others")
TRAINED_APART = ("get_target", "train_references", "train_evaluators")


def create_pipeline() -> Pipeline:
    """Faces, target, membership, reconstruction, and the table of results, with backbones trained side by side."""
    apart = _apart()
    faces_of, options = ["face_store", "splits", "reference_splits"], ["params:membership", "params:reconstruction"]
    together = [
        Node(
            train_together,
            [*faces_of, "params:target", *options, "params:compute"],
            ["target", "trained_together"],
            name=TOGETHER[0],
        ),
        Node(
            train_others,
            [*faces_of, *options, "params:compute", "trained_together", "utility_metrics"],
            ["references", "evaluators"],
            name=TOGETHER[1],
        ),
    ]
    return apart - apart.only_nodes(*TRAINED_APART) + Pipeline(together)


def trained_apart(pipeline: Pipeline) -> Pipeline:
    """The same with a node for each kind of backbone, so that no result seems to depend on what another one takes."""
    together = [node for node in pipeline.nodes if node.name in TOGETHER]
    return pipeline - Pipeline(together) + _apart().only_nodes(*TRAINED_APART) if together else pipeline


def _apart() -> Pipeline:
    rooms = (faces, target, membership, reconstruction)
    return sum((room.create_pipeline() for room in rooms), report_views())
