"""The `compare` pipeline."""

from faceleak.pipelines.compare.pipeline import create_pipeline

__all__ = ["create_pipeline"]
