"""The `tuning` pipeline."""

from faceleak.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
