"""The `gate` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.gate.nodes import enforce, matcher


def create_pipeline() -> Pipeline:
    """Judge the policies, write what was found, and fail where one is violated: last, once all else is written."""
    return Pipeline(
        [
            Node(matcher, ["all_metrics", "params:gate"], "gate", name="judge_policies"),
            Node(enforce, ["gate", "audit_results"], None, name="enforce_policies"),
        ]
    )
