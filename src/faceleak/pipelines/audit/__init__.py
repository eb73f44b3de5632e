"""The `audit` pipeline."""

from faceleak.pipelines.audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
