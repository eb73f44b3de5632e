"""The `membership` pipeline."""

from faceleak.pipelines.membership.pipeline import create_pipeline

__all__ = ["create_pipeline"]
