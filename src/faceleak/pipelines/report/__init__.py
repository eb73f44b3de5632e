"""The `report` pipeline."""

from faceleak.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
