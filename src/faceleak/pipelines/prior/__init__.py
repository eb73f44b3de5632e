"""The `prior` pipeline."""

from faceleak.pipelines.prior.pipeline import create_pipeline

__all__ = ["create_pipeline"]
