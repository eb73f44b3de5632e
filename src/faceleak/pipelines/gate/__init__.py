"""The `gate` pipeline."""

from faceleak.pipelines.gate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
