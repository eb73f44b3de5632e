"""The `judge_sheet` pipeline: what a person saw on the blind sheet; after `attack`, and after answering."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.judge_sheet.nodes import judge_sheet


def create_pipeline() -> Pipeline:
    """Count the answers, and measure agreement with the evaluators."""
    inputs = ["blind_key", "params:reconstruction", "params:bootstrap"]
    return Pipeline([Node(judge_sheet, inputs, "blind_sheet_metrics", name="judge_sheet")])
