"""The `gate` pipeline: the numbers of an audit against the policies of the configuration."""

from kedro.pipeline import Node, Pipeline

from faceleak.common.trees import Metrics, Tree
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.options import GateOptions


def matcher(metrics: dict[str, Metrics], options: GateOptions) -> list[Tree]:
    """Say of each policy whether it holds. Raises GateError for unknown names."""
    from faceleak.reporting.gate import join_numbers, judge_policies

    return judge_policies(options.policies, join_numbers(metrics))


def enforce(judged: list[Tree], results: ResultFiles) -> None:  # noqa: ARG001
    """Raise GateError where a policy is violated, so that the run ends with an exit status that is not 0."""
    from faceleak.reporting.gate import require_passed

    require_passed(judged)


def create_pipeline() -> Pipeline:
    """Judge the policies, write what was found, and fail where one is violated: last, once all else is written."""
    return Pipeline(
        [
            Node(matcher, ["all_metrics", "params:gate"], "gate", name="judge_policies"),
            Node(enforce, ["gate", "audit_results"], None, name="enforce_policies"),
        ]
    )
