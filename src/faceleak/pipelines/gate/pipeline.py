"""The `gate` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.gate.nodes import enforce, judge


def create_pipeline() -> Pipeline:
    """Judge the policies, write what was found, and fail where one is violated."""
    return Pipeline(
        [
            Node(judge, ["audit_results", "params:gate"], "gate", name="judge_policies"),
            Node(enforce, "gate", None, name="enforce_policies"),
        ]
    )
