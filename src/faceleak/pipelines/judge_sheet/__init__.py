"""The `judge_sheet` pipeline."""

from faceleak.pipelines.judge_sheet.pipeline import create_pipeline

__all__ = ["create_pipeline"]
