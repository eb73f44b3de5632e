"""The `faces` pipeline."""

from faceleak.pipelines.faces.pipeline import create_pipeline

__all__ = ["create_pipeline"]
