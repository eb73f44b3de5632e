"""The `reporting` pipeline."""

from faceleak.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
