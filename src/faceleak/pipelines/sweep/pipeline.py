"""The `sweep` pipeline: from images to how leakage depends on the size of the training set."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines import faces
from faceleak.pipelines.sweep import nodes


def create_pipeline() -> Pipeline:
    """Faces, a target for each training set, the fitted line and its figure."""
    own = Pipeline(
        [
            Node(
                nodes.measure_sweep,
                [
                    "face_store",
                    "params:faces",
                    "params:target",
                    "params:membership",
                    "params:bootstrap",
                    "params:compute",
                ],
                "sweep_table",
                name="measure_sweep",
            ),
            Node(
                nodes.fit_line,
                ["sweep_table", "params:membership", "params:bootstrap"],
                ["sweep_line", "sweep_figure"],
                name="fit_line",
            ),
        ]
    )
    return faces.create_pipeline() + own
