import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.attackers import (
    Encounter,
    encounter_name,
    encounters,
    name_of_variant,
    undone_view,
    variant_and_undoing,
)

NOISY = "bn_perturbation_0.4"
UNDONE = f"{NOISY}+bn_reestimation"


def test_what_each_attacker_fits_on_and_looks_at():
    tries = encounters(iter(["undefended", NOISY, UNDONE]), ["plain", "static", "refitted", "adaptive"])
    assert tries[4:] == [
        [Encounter(NOISY, "plain", NOISY, NOISY)],
        [Encounter(NOISY, "static", "undefended", NOISY)],
        [Encounter(NOISY, "refitted", NOISY, NOISY)],
        [Encounter(NOISY, "adaptive", NOISY, NOISY), Encounter(NOISY, "adaptive", UNDONE, UNDONE)],
    ]
    assert [encounter_name(meeting.variant, meeting.attacker) for meeting, *_ in tries[4:]] == [
        NOISY,
        f"{NOISY}_static",
        f"{NOISY}_refitted",
        f"{NOISY}_adaptive",
    ]


def test_an_undone_view_is_no_variant_of_its_own():
    meetings = [meeting for tried in encounters([UNDONE, NOISY], iter(["static", "adaptive"])) for meeting in tried]
    assert {meeting.variant for meeting in meetings} == {NOISY}
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


@given(variants, st.sampled_from(["", "bn_reestimation", "averaging"]))
def test_a_view_tells_variant_and_undoing(variant, undoing):
    view = undone_view(variant, undoing) if undoing else variant
    assert variant_and_undoing(view) == (variant, undoing)
