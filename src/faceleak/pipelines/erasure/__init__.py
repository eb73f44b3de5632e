"""The `erasure` pipeline."""

from faceleak.pipelines.erasure.pipeline import create_pipeline

__all__ = ["create_pipeline"]
