"""The `target` pipeline."""

from faceleak.pipelines.target.pipeline import create_pipeline

__all__ = ["create_pipeline"]
