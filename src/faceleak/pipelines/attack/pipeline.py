"""The `attack` pipeline: from images to the success of both attack stages on the target."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import faces, membership, reconstruction, reporting, target


def create_pipeline() -> Pipeline:
    """Faces, target, membership, reconstruction, and the table of results."""
    rooms = (faces, target, membership, reconstruction, reporting)
    return sum((room.create_pipeline() for room in rooms), Pipeline([]))
