"""Gate: the numbers of an audit against the policies of the configuration."""

from typing import Any

from faceleak.reporting.options import GateOptions


def matcher(metrics: dict[str, Any], options: GateOptions) -> list[dict[str, Any]]:
    """Say of each policy whether it holds. Raises GateError for unknown names."""
    from faceleak.reporting.gate import join_numbers, judge_policies

    return judge_policies(options.policies, join_numbers(metrics))


def enforce(judged: list[dict[str, Any]], results: Any) -> None:  # noqa: ARG001
    """Raise GateError where a policy is violated, so that the run ends with an exit status that is not 0."""
    from faceleak.reporting.gate import require_passed

    require_passed(judged)
