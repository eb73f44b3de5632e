"""The `sweep` pipeline."""

from faceleak.pipelines.sweep.pipeline import create_pipeline

__all__ = ["create_pipeline"]
