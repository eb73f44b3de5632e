"""The `faces` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.faces.nodes import (
    draw_sample,
    list_faces,
    list_quarantine,
    open_source,
    split_faces,
    validate_faces,
)


def create_pipeline() -> Pipeline:
    """Source → store, manifest, splits, validation."""
    return Pipeline(
        [
            Node(open_source, ["params:faces", "params:compute"], "face_store", name="pack_faces"),
            Node(list_faces, "face_store", "manifest", name="list_faces"),
            Node(list_quarantine, "face_store", "quarantine", name="list_quarantine"),
            Node(split_faces, ["manifest", "params:faces"], "proposed_splits", name="split_faces"),
            Node(
                validate_faces,
                ["face_store", "manifest", "proposed_splits", "params:faces"],
                ["splits", "faces_validation"],
                name="validate_faces",
            ),
            Node(draw_sample, ["face_store", "splits"], "people_figure", name="draw_people"),
        ]
    )
