"""The `faces` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.auditing.faces import (
    accept_splits,
    draw_sample,
    list_faces,
    list_quarantine,
    look_for_copies,
    open_source,
    split_faces,
    validate_faces,
)


def create_pipeline() -> Pipeline:
    """Source → store, manifest, splits, validation."""
    return Pipeline(
        [
            Node(open_source, ["params:faces", "params:compute"], "face_store", name="pack_faces"),
            Node(list_faces, "face_store", "manifest@table", name="list_faces"),
            Node(list_quarantine, "face_store", "quarantine", name="list_quarantine"),
            Node(split_faces, ["manifest@table", "params:faces"], "drawn_splits", name="split_faces"),
            Node(
                look_for_copies,
                ["face_store", "drawn_splits", "params:faces"],
                ["copies", "proposed_splits"],
                name="look_for_copies",
            ),
            Node(
                validate_faces,
                ["face_store", "manifest@file", "proposed_splits", "copies", "params:faces"],
                ["faces_validation", "faces_validation_page"],
                name="validate_faces",
            ),
            Node(accept_splits, ["proposed_splits", "faces_validation"], "splits", name="accept_splits"),
            Node(draw_sample, ["face_store", "splits"], "people_figure", name="draw_people"),
        ]
    )
