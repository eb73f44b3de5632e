import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.attackers import (
    TARGET_VIEW,
    Encounter,
    UnknownViewError,
    View,
    encounter_name,
    encounters,
    name_of_variant,
    views_of,
)

NOISY = View("bn_perturbation_0.4")
UNDONE = View("bn_perturbation_0.4", "bn_reestimation")


def test_what_each_attacker_fits_on_and_looks_at():
    tries = encounters(iter([TARGET_VIEW, NOISY, UNDONE]), ["plain", "static", "refitted", "adaptive"])
    assert tries[4:] == [
        [Encounter("plain", NOISY, NOISY)],
        [Encounter("static", TARGET_VIEW, NOISY)],
        [Encounter("refitted", NOISY, NOISY)],
        [Encounter("adaptive", NOISY, NOISY), Encounter("adaptive", UNDONE, UNDONE)],
    ]
    assert [encounter_name(meeting.variant, meeting.attacker) for meeting, *_ in tries[4:]] == [
        "bn_perturbation_0.4",
        "bn_perturbation_0.4_static",
        "bn_perturbation_0.4_refitted",
        "bn_perturbation_0.4_adaptive",
    ]


def test_an_undone_view_is_no_variant_of_its_own():
    meetings = [meeting for tried in encounters([UNDONE, NOISY], iter(["static", "adaptive"])) for meeting in tried]
    assert {meeting.variant for meeting in meetings} == {"bn_perturbation_0.4"}
    assert {meeting.view for meeting in meetings} == {NOISY, UNDONE}


variants = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="_."), min_size=1)


@given(variants, st.sampled_from(["static", "refitted", "adaptive"]))
def test_the_name_of_an_encounter_is_no_name_of_a_variant(variant, attacker):
    with pytest.raises(ValueError, match="says who attacks it"):
        name_of_variant(encounter_name(variant, attacker))


@given(variants.filter(lambda name: not name.endswith(("_static", "_refitted", "_adaptive"))))
def test_any_other_name_is_one(variant):
    assert name_of_variant(encounter_name(variant, "plain")) == variant


@pytest.mark.parametrize("variant", ["made_plain", "static", "adaptive_noise", "_static"])
def test_variants_that_sound_like_attackers_are_not_taken_for_one(variant):
    assert name_of_variant(variant) == variant


def test_a_view_has_a_name_of_variant_and_undoing():
    assert (TARGET_VIEW.name, NOISY.name, UNDONE.name) == (
        "undefended",
        "bn_perturbation_0.4",
        "bn_perturbation_0.4+bn_reestimation",
    )


def test_rows_are_told_apart_by_variant_and_undoing_in_the_order_of_the_table():
    signals = pd.DataFrame({"variant": ["a+b", "a", "a+b"], "undoing": ["", "b", ""], "image_id": ["x", "y", "z"]})
    found = views_of(signals)
    assert [(view, rows["image_id"].tolist()) for view, rows in found.items()] == [
        (View("a+b"), ["x", "z"]),
        (View("a", "b"), ["y"]),
    ]
    with pytest.raises(UnknownViewError, match="no columns variant and undoing"):
        views_of(signals.drop(columns="undoing").assign(view="a"))
