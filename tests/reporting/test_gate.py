"""The gate: both sides of a policy, and names that do not exist."""

import pytest
from pydantic import ValidationError

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.gate import GateError, broken, gate_lines, join_numbers, judge_policies, require_passed
from faceleak.reporting.options import GateOptions, PolicyOptions

METRIC = "membership/fused_partial_knowledge/unseen_identity/tpr_at_fpr_1pct_ci_low"
NUMBERS = {"undefended": {METRIC: 0.05, "utility/verification_auc": 0.9, "utility/lfw_accuracy": None}}


def policy(**settings):
    return PolicyOptions(**{"metric": METRIC, "reason": "Nobody is to be recognized.", **settings})


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"at_most": 0.05}, True),
        ({"at_most": 0.0499}, False),
        ({"at_least": 0.05}, True),
        ({"at_least": 0.0501}, False),
        ({"at_least": 0.01, "at_most": 0.04}, False),
    ],
)
def test_limits_are_themselves_allowed(limits, passed):
    (judged,) = judge_policies([policy(**limits)], NUMBERS)
    assert judged["passed"] is passed
    assert judged["value"] == 0.05


def test_a_violation_says_what_was_found_what_is_allowed_and_why():
    judged = judge_policies(
        [policy(at_most=0.01), policy(metric="utility/verification_auc", at_least=0.5, reason="It must work.")], NUMBERS
    )
    with pytest.raises(GateError) as raised:
        require_passed(judged)
    assert str(raised.value) == (
        "1 of 2 policies is violated, so the model is not to be released:\n"
        f"- {METRIC} of undefended is 0.05; allowed is at most 0.01. Nobody is to be recognized."
    )
    violated, passed = gate_lines(judged)
    assert violated.startswith("VIOLATED  membership/fused")
    assert passed == "passed    utility/verification_auc of undefended is 0.9; allowed is at least 0.5. It must work."


def test_all_policies_that_hold_raise_nothing():
    require_passed(judge_policies([policy(at_most=0.05)], NUMBERS))


def test_what_could_not_be_measured_is_violated():
    (judged,) = judge_policies([policy(metric="utility/lfw_accuracy", at_least=0.0)], NUMBERS)
    assert judged["passed"] is False
    assert "could not be measured; allowed is at least 0" in judged["verdict"]


def test_an_unknown_metric_is_an_error_with_the_nearest_names():
    with pytest.raises(GateError, match=f"Nearest: {METRIC}, .*gate.policies"):
        judge_policies([policy(metric=METRIC.replace("fused", "fussed"), at_most=1)], NUMBERS)


def test_without_results_nothing_passes():
    with pytest.raises(GateError, match="no results to judge"):
        judge_policies([policy(at_most=1)], {})


def test_an_unknown_variant_is_an_error_with_the_nearest_names():
    with pytest.raises(GateError, match=r"'undefnded'.*Nearest: undefended"):
        judge_policies([policy(variant="undefnded", at_most=1)], NUMBERS)


@pytest.mark.parametrize("settings", [{}, {"at_least": 0.2, "at_most": 0.1}, {"at_most": 1, "reason": ""}])
def test_a_policy_without_sense_is_refused(settings):
    with pytest.raises(ValidationError):
        policy(**settings)


def test_a_gate_without_policies_is_refused():
    with pytest.raises(ValidationError):
        GateOptions(policies=[])


def test_numbers_of_several_files_are_joined_by_variant():
    files = {
        "results": {"undefended": {"utility": {"verification_auc": 0.9}, "membership": {"a": {"p": {"auc": 0.7}}}}},
        "prior": {"kid": 0.1, "images": 40},
        "defense": {"undefended": {"utility": {"verification_auc": 0.9}}, "noise": {"utility": {"x": None}}},
    }
    assert join_numbers(files) == {
        "undefended": {"utility/verification_auc": 0.9, "membership/a/p/auc": 0.7},
        "noise": {"utility/x": None},
    }


def test_files_that_contradict_each_other_are_refused():
    files = {
        "one.json": {"undefended": {"utility": {"verification_auc": 0.9}}},
        "two.json": {"undefended": {"utility": {"verification_auc": 0.8}}},
    }
    with pytest.raises(ReportingError, match=r"two.json says that utility/verification_auc of undefended is 0.8"):
        join_numbers(files)


def test_no_policy_is_about_an_upper_bound() -> None:
    with pytest.raises(ValidationError, match="an upper bound takes the classification head and decides nothing"):
        policy(metric="upper_bound/head_loss_shadow/unseen_identity/auc", at_most=0.6)


def test_no_policy_holds_for_a_backbone_that_recognizes_nobody():
    collapsed = {METRIC: 0.0, "utility/verification_auc": 0.5, "utility/verification_auc_ci_low": 0.49}
    collapsed |= {"utility/verification_auc_ci_high": 0.51}
    (judged,) = judge_policies([policy(at_most=0.05)], {"undefended": collapsed})
    assert not judged["passed"]
    assert "allowed is at most 0.05, but the backbone does not work: it recognizes nobody" in judged["verdict"]
    with pytest.raises(GateError, match="1 of 1 policy is violated"):
        require_passed([judged])
    works = collapsed | {"utility/verification_auc_ci_low": 0.8}
    assert judge_policies([policy(at_most=0.05)], {"undefended": works})[0]["passed"]


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((0, 2), "0 of 2 policies are violated"),
        ((1, 1), "1 of 1 policy is violated"),
        ((1, 2), "1 of 2 policies is violated"),
        ((2, 3), "2 of 3 policies are violated"),
    ],
)
def test_the_verb_agrees_with_how_many_are_violated(counts, sentence):
    assert broken(*counts) == sentence
