"""The `attack` pipeline."""

from faceleak.pipelines.attack.pipeline import create_pipeline

__all__ = ["create_pipeline"]
