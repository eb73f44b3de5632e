import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.attackers import (
    TARGET_VIEW,
    Evaluation,
    UnknownViewError,
    View,
    evaluation_name,
    evaluations,
    name_of_variant,
    views_of,
)

NOISY = View("bn_perturbation_0.4")
BYPASSED = View("bn_perturbation_0.4", "bn_reestimation")


def test_what_each_attacker_fits_on_and_looks_at():
    tries = evaluations(iter([TARGET_VIEW, NOISY, BYPASSED]), ["plain", "static", "refitted", "adaptive"])
    assert tries[4:] == [
        [Evaluation("plain", NOISY, NOISY)],
        [Evaluation("static", TARGET_VIEW, NOISY)],
        [Evaluation("refitted", NOISY, NOISY)],
        [Evaluation("adaptive", NOISY, NOISY), Evaluation("adaptive", BYPASSED, BYPASSED)],
    ]
    assert [evaluation_name(evaluation.variant, evaluation.attacker) for evaluation, *_ in tries[4:]] == [
        "bn_perturbation_0.4",
        "bn_perturbation_0.4_static",
        "bn_perturbation_0.4_refitted",
        "bn_perturbation_0.4_adaptive",
    ]


def test_a_bypassed_view_is_no_variant_of_its_own():
    tried = [
        evaluation for tried in evaluations([BYPASSED, NOISY], iter(["static", "adaptive"])) for evaluation in tried
    ]
    assert {evaluation.variant for evaluation in tried} == {"bn_perturbation_0.4"}
    assert {evaluation.view for evaluation in tried} == {NOISY, BYPASSED}


variants = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="_."), min_size=1)


@given(variants, st.sampled_from(["static", "refitted", "adaptive"]))
def test_the_name_of_an_evaluation_is_no_name_of_a_variant(variant, attacker):
    with pytest.raises(ValueError, match="says who attacks it"):
        name_of_variant(evaluation_name(variant, attacker))


@given(variants.filter(lambda name: not name.endswith(("_static", "_refitted", "_adaptive"))))
def test_any_other_name_is_one(variant):
    assert name_of_variant(evaluation_name(variant, "plain")) == variant


@pytest.mark.parametrize("variant", ["made_plain", "static", "adaptive_noise", "_static"])
def test_variants_that_sound_like_attackers_are_not_taken_for_one(variant):
    assert name_of_variant(variant) == variant


def test_a_view_has_a_name_of_variant_and_bypass():
    assert (TARGET_VIEW.name, NOISY.name, BYPASSED.name) == (
        "undefended",
        "bn_perturbation_0.4",
        "bn_perturbation_0.4+bn_reestimation",
    )


def test_rows_are_told_apart_by_variant_and_bypass_in_the_order_of_the_table():
    signals = pd.DataFrame({"variant": ["a+b", "a", "a+b"], "bypass": ["", "b", ""], "image_id": ["x", "y", "z"]})
    found = views_of(signals)
    assert [(view, rows["image_id"].tolist()) for view, rows in found.items()] == [
        (View("a+b"), ["x", "z"]),
        (View("a", "b"), ["y"]),
    ]
    with pytest.raises(UnknownViewError, match="no columns variant and bypass"):
        views_of(signals.drop(columns="bypass").assign(view="a"))
