"""The `targeted` pipeline."""

from faceleak.pipelines.targeted.pipeline import create_pipeline

__all__ = ["create_pipeline"]
