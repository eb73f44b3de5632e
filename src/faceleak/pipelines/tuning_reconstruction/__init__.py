"""The `tuning_reconstruction` pipeline."""

from faceleak.pipelines.tuning_reconstruction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
