"""The `compare` pipeline: from images to attacks side by side on several targets."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import faces, repeats
from faceleak.pipelines.membership.pipeline import prepare_references


def create_pipeline() -> Pipeline:
    """Faces, reference backbones, repeated targets; what the audit does with the one target is left out."""
    return faces.create_pipeline() + prepare_references() + repeats.create_pipeline()
