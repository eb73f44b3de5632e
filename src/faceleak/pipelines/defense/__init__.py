"""The `defense` pipeline."""

from faceleak.pipelines.defense.pipeline import create_pipeline

__all__ = ["create_pipeline"]
