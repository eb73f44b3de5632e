"""The `target` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.auditing.target import (
    compare_preprocessing,
    get_target,
    inspect_target,
    measure_utility,
    view_target,
)

VIEW_TARGET = Node(
    view_target, ["target", "face_store", "splits", "params:target", "params:compute"], "views", name="view_target"
)


def measure_views() -> Pipeline:
    """Utility of any views: the target's here, the variants' in the `defense` pipeline."""
    inputs = ["views", "face_store", "splits", "params:target", "params:bootstrap", "params:compute"]
    return Pipeline([Node(measure_utility, inputs, "utility_metrics", name="measure_utility")])


def create_pipeline() -> Pipeline:
    """Target, its inventory and its utility."""
    return measure_views() + Pipeline(
        [
            Node(get_target, ["face_store", "splits", "params:target", "params:compute"], "target", name="get_target"),
            Node(inspect_target, "target", "inventory", name="inspect_target"),
            Node(
                compare_preprocessing,
                ["target", "face_store", "splits", "params:target", "params:bootstrap", "params:compute"],
                "preprocessing_check",
                name="compare_preprocessing",
            ),
            VIEW_TARGET,
        ]
    )
