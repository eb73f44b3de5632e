"""Metrics as they are read once: who is the strongest, whose baseline counts, what a search ended with."""

import pytest

from faceleak.reporting.results import AttackName, Found, Membership, names_in_metrics, read_variant, read_variants


def auc(value: float, **more: float) -> dict[str, float]:
    return {"auc": value, "auc_ci_low": value - 0.05, "auc_ci_high": value + 0.05, **more}


LEAD = {"advantage_over_blind": 0.3, "advantage_over_blind_ci_low": 0.2}
MEMBERSHIP = {
    "a_shadow": {"same_identity": auc(0.6), "unseen_identity": auc(0.7, **LEAD)},
    "b_shadow": {"unseen_identity": auc(0.8, tpr_at_fpr_1pct=0.1, **LEAD)},
    "blind_partial_knowledge": {"unseen_identity": auc(0.9)},
}
STAGES = {
    "utility": {"verification_auc": 0.9},
    "utility_after_bn_reestimation": {"verification_auc": 0.95},
    "membership": MEMBERSHIP,
    "upper_bound": {"head_shadow": {"unseen_identity": auc(1.0)}},
    "reconstruction": {"a_shadow": {"random": {"kid": 1.0}, "optimized": {"kid": 0.5}}, "b_shadow": {"random": {}}},
}


def test_a_variant_is_read_by_its_stages() -> None:
    variant = read_variant("noise", STAGES)
    assert variant.name == "noise"
    assert variant.utility == {"verification_auc": 0.9}
    assert list(variant.utilities) == ["utility", "utility_after_bn_reestimation"]
    assert variant.membership.populations == ["same_identity", "unseen_identity"]
    assert variant.upper_bound.against("unseen_identity") == {"head_shadow": auc(1.0)}
    assert variant.optimized == {"a_shadow": {"kid": 0.5}}
    empty = read_variant("nothing", {})
    assert (empty.utility, empty.membership.populations, empty.strongest, empty.optimized) == ({}, [], None, {})


def test_the_strongest_attack_is_not_the_blind_baseline() -> None:
    variant = read_variant("noise", STAGES)
    assert variant.strongest == Found("b_shadow", MEMBERSHIP["b_shadow"]["unseen_identity"])
    assert variant.membership.strongest("same_identity") == Found("a_shadow", auc(0.6))
    assert variant.membership.strongest("unseen_identity", "tpr_at_fpr_1pct").attack == "b_shadow"
    assert variant.membership.strongest("unseen_identity", "asr") is None


@pytest.mark.parametrize(
    ("found", "population"),
    [
        ({"same_identity": auc(0.6)}, "same_identity"),
        ({"same_identity": auc(0.6), "unseen_identity": auc(0.5)}, "unseen_identity"),
        ({"identity": auc(0.6)}, "unseen_identity"),
    ],
)
def test_unseen_people_stand_for_a_variant_or_the_only_ones_there_are(found, population) -> None:
    assert read_variant("noise", {"membership": {"a_shadow": found}}).population == population


def test_attacks_alone_keep_the_baseline_and_the_utility_that_they_are_read_by() -> None:
    membership = read_variant("noise", STAGES).membership
    assert membership.reading("unseen_identity").code == "cannot conclude"  # the blind baseline has 0.85 to 0.95
    alone = membership.only(["b_shadow"])
    assert (list(alone.tree), alone.blind, alone.utility) == (["b_shadow"], membership.blind, membership.utility)
    assert alone.reading("unseen_identity").code == "cannot conclude"
    assert Membership(alone.tree).reading("unseen_identity").code == "leaks"


def test_a_variant_without_a_baseline_takes_that_of_the_first_one() -> None:
    own = {"blind_shadow": {"unseen_identity": auc(0.4)}}
    without = {"membership": {"a_shadow": {"unseen_identity": auc(0.7, **LEAD)}}}
    results = {"nothing": {}, "undefended": STAGES, "noise": without, "other": {"membership": own}}
    blind = {variant.name: variant.membership.blind for variant in read_variants(results)}
    assert blind["noise"] == blind["undefended"] == MEMBERSHIP["blind_partial_knowledge"]
    assert blind["other"] == own["blind_shadow"]


def test_names_in_metrics_say_what_they_are_made_of() -> None:
    names = names_in_metrics(["bn_distance"])
    assert names["bn_distance_shadow"] == AttackName("bn_distance", "shadow", "plain")
    assert names["bn_distance_partial_knowledge_adaptive"] == AttackName("bn_distance", "partial_knowledge", "adaptive")
    assert len(names) == 8
