import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.attackers import Encounter, encounter, encounter_named, encounters

NOISY = "bn_perturbation_0.4"


@pytest.mark.parametrize(
    ("attacker", "fitted_on", "view", "name"),
    [
        ("plain", NOISY, NOISY, NOISY),
        ("static", "undefended", NOISY, f"{NOISY}_static"),
        ("refitted", NOISY, NOISY, f"{NOISY}_refitted"),
        ("adaptive", f"{NOISY}+bn_reestimation", f"{NOISY}+bn_reestimation", f"{NOISY}_adaptive"),
    ],
)
def test_what_each_attacker_fits_on_and_looks_at(attacker, fitted_on, view, name):
    meeting = encounter(NOISY, attacker)
    assert meeting == Encounter(NOISY, attacker, fitted_on, view)
    assert meeting.name == name
    assert meeting.suffix == name.removeprefix(NOISY)


variants = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="_.+"), min_size=1)


@given(variants, st.sampled_from(["static", "refitted", "adaptive"]))
def test_a_name_is_enough_to_find_the_encounter(variant, attacker):
    assert encounter_named(encounter(variant, attacker).name) == encounter(variant, attacker)


@given(variants.filter(lambda name: not name.endswith(("_static", "_refitted", "_adaptive"))))
def test_a_name_without_an_attacker_is_the_plain_one(variant):
    assert encounter_named(variant) == encounter(variant, "plain")


@pytest.mark.parametrize("variant", ["undefended", "made_plain", "static", "adaptive_noise"])
def test_variants_that_sound_like_attackers_are_not_taken_for_one(variant):
    assert encounter_named(variant) == encounter(variant, "plain")


def test_every_attacker_meets_every_variant_but_no_undone_view():
    views = ["undefended", NOISY, "undefended+bn_reestimation", f"{NOISY}+bn_reestimation"]
    meetings = encounters(iter(views), iter(["static", "adaptive"]))
    assert meetings == [
        encounter(variant, attacker) for variant in ("undefended", NOISY) for attacker in ("static", "adaptive")
    ]
    assert {meeting.view for meeting in meetings} == set(views)
