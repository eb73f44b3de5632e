"""The gate: the policies that an audit's numbers fulfill, and an error if they do not fulfill all."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from faceleak.common.errors import FaceleakError, kedro_run
from faceleak.common.trees import flatten
from faceleak.common.words import counted, form
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.options import PolicyOptions
from faceleak.reporting.verdict import read_utility

Numbers = Mapping[str, Mapping[str, float | None]]  # variant → `<stage>/…/<metric>` → value
NEAREST = 5
UTILITY = "utility/"


class GateError(FaceleakError):
    """A policy is violated: the model is not to be released."""


def join_numbers(trees: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Put the metrics of several result files into one mapping: variant → `<stage>/…/<metric>` → value.

    trees: file → variant → tree of numbers; numbers of no variant are left out. Raises ReportingError if two
    files hold different values of one metric, since they were made from different things.
    """
    joined: dict[str, dict[str, float | None]] = {}
    for file, variants in trees.items():
        for variant, tree in variants.items():
            if not isinstance(tree, Mapping):
                continue
            known = joined.setdefault(variant, {})
            for metric, value in flatten(dict(tree)).items():
                if metric in known and not _same(known[metric], value):
                    raise ReportingError(
                        f"{file} says that {metric} of {variant} is {value}, another result file that it is "
                        f"{known[metric]}, so they are not of one audit. Run the whole audit again: kedro run."
                    )
                known[metric] = value
    return joined


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6))


def judge_policies(policies: Sequence[PolicyOptions], numbers: Numbers) -> list[dict[str, Any]]:
    """Judge each policy: its settings, value (None if it could not be measured), passed, and verdict, a sentence.

    A policy whose number could not be measured is violated, and so is one about a backbone that does not work
    (`verdict.read_utility`), whatever its number: nothing leaks out of it since nothing is in it. Raises GateError
    if there are no numbers at all, or no such variant or metric, naming the nearest ones.
    """
    if not numbers:
        raise GateError(f"There are no results to judge. Run an audit first: {kedro_run('attack')}.")
    return [_judge(policy, _value(policy, numbers), _useless(numbers[policy.variant])) for policy in policies]


def _useless(of_variant: Mapping[str, float | None]) -> str | None:
    return read_utility({name.removeprefix(UTILITY): value for name, value in of_variant.items()})


def _value(policy: PolicyOptions, numbers: Numbers) -> float | None:
    if policy.variant not in numbers:
        raise GateError(
            f"A policy is about the variant {policy.variant!r}, of which there are no results. "
            f"{_near(policy.variant, numbers)} Run the pipeline that makes it, or correct gate.policies."
        )
    of_variant = numbers[policy.variant]
    if policy.metric not in of_variant:
        raise GateError(
            f"A policy is about {policy.metric!r}, which the results of {policy.variant!r} do not have. "
            f"{_near(policy.metric, of_variant)} Run the pipeline that makes it, or correct gate.policies."
        )
    value = of_variant[policy.metric]
    return None if value is None or not math.isfinite(value) else float(value)


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, n=NEAREST, cutoff=0)
    return f"Nearest: {', '.join(near)}."


def _judge(policy: PolicyOptions, value: float | None, useless: str | None) -> dict[str, Any]:
    high, low = policy.at_most, policy.at_least
    passed = useless is None and value is not None and (high is None or value <= high) and (low is None or value >= low)
    found = "could not be measured" if value is None else f"is {value:.6g}"
    though = "" if useless is None else f", but {useless}"
    verdict = f"{policy.metric} of {policy.variant} {found}; allowed is {_allowed(policy)}{though}. {policy.reason}"
    return {**policy.model_dump(mode="json"), "value": value, "passed": passed, "verdict": verdict}


def _allowed(policy: PolicyOptions) -> str:
    limits = {"at least": policy.at_least, "at most": policy.at_most}
    return " and ".join(f"{name} {limit:g}" for name, limit in limits.items() if limit is not None)


def gate_lines(judged: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a policy: `passed` or `VIOLATED`, and its verdict."""
    return [f"{'passed  ' if policy['passed'] else 'VIOLATED'}  {policy['verdict']}" for policy in judged]


def broken(violated: int, judged: int, kind: str = "") -> str:
    """1 of 2 policies is violated"""
    of = counted(judged, f"{kind}policy", f"{kind}policies")
    return f"{violated:,} of {of} {form(violated, 'is', 'are')} violated"


def require_passed(judged: Sequence[Mapping[str, Any]]) -> None:
    """Raise GateError with the reasons if a policy is violated."""
    violated = [policy for policy in judged if not policy["passed"]]
    if violated:
        reasons = "\n".join(f"- {policy['verdict']}" for policy in violated)
        raise GateError(f"{broken(len(violated), len(judged))}, so the model is not to be released:\n{reasons}")
