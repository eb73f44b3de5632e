"""The `repeats` pipeline."""

from faceleak.pipelines.repeats.pipeline import create_pipeline

__all__ = ["create_pipeline"]
