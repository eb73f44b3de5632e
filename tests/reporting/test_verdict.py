import pytest

from faceleak.reporting import verdict as verdicts
from faceleak.reporting.verdict import read_ceiling, read_utility, strongest

POPULATION = "unseen_identity"


def read_membership(*arguments, **more):
    return str(verdicts.read_membership(*arguments, **more))


def measured(auc_low, advantage_low=None):
    metrics = {"auc": auc_low + 0.1, "auc_ci_low": auc_low, "auc_ci_high": auc_low + 0.2}
    if advantage_low is not None:
        metrics |= {"advantage_over_blind": advantage_low + 0.1, "advantage_over_blind_ci_low": advantage_low}
        metrics |= {"advantage_over_blind_ci_high": advantage_low + 0.2}
    return {POPULATION: metrics}


@pytest.mark.parametrize(
    ("attack", "blind", "verdict"),
    [
        (measured(0.6, 0.1), measured(0.4), "leaks"),
        (measured(0.6, 0.0), measured(0.4), "no evidence"),
        (measured(0.5, 0.1), measured(0.4), "no evidence"),
        (measured(0.4, -0.1), measured(0.4), "no evidence"),
        (measured(0.6, 0.1), measured(0.5), "leaks"),
        (measured(0.6, 0.1), measured(0.51), "cannot conclude"),
        (measured(0.4, -0.1), measured(0.51), "cannot conclude"),
        (measured(0.6), {}, "cannot conclude"),
        (measured(0.4), {}, "no evidence"),
    ],
)
def test_the_verdict_follows_from_the_intervals(attack, blind, verdict):
    assert read_membership({"bn_distance_shadow": attack, "blind_shadow": blind}, POPULATION).startswith(f"{verdict}: ")


def test_a_leak_is_told_by_the_attack_with_the_highest_auc():
    attacks = {"weak_shadow": measured(0.55, 0.1), "strong_shadow": measured(0.7, 0.2), "lucky": measured(0.8, -0.1)}
    reading = read_membership(attacks, POPULATION)
    assert reading == (
        "leaks: strong_shadow has AUC 0.800 [0.700, 0.900], +0.300 [0.200, 0.400] over the blind baseline"
    )


def test_a_blind_baseline_from_elsewhere_counts_where_there_is_none():
    attacks = {"bn_distance_shadow": measured(0.6, 0.1)}
    reading = read_membership(attacks, POPULATION, measured(0.6)[POPULATION])
    assert reading.startswith("cannot conclude: the blind baseline alone separates members, AUC 0.700 [0.600, 0.800]")
    own = {**attacks, "blind_shadow": measured(0.4)}
    assert read_membership(own, POPULATION, measured(0.6)[POPULATION]).startswith("leaks")


def around(auc, half_width, advantage=0.0):
    metrics = {"auc": auc, "auc_ci_low": auc - half_width, "auc_ci_high": auc + half_width}
    advantages = {"advantage_over_blind": advantage, "advantage_over_blind_ci_low": advantage - half_width}
    return {POPULATION: metrics | advantages}


def test_no_evidence_names_the_smallest_auc_that_would_have_been_shown():
    # ±0.098 is 1.96 standard errors of 0.05; 80 % power takes 1.96 + 0.8416 of them: 0.5 + 0.05 · 2.8016
    reading = read_membership({"bn_distance_shadow": around(0.52, 0.098)}, POPULATION)
    assert reading == (
        "no evidence: no attack is above chance and above the blind baseline by more than its interval. "
        "With 80 % power, this sample would have shown an AUC of 0.640 or more"
    )


@pytest.mark.parametrize(("half_width", "verdict"), [(0.139, "no evidence: no"), (0.141, "cannot conclude: too few")])
def test_a_sample_that_would_miss_an_auc_of_more_than_0_7_cannot_conclude(half_width, verdict):
    # 0.5 + 2.8016 / 1.96 · half_width: 0.6987 and 0.7015
    reading = read_membership({"bn_distance_shadow": around(0.5, half_width)}, POPULATION)
    assert reading.startswith(verdict)
    assert ("0.702" in reading) == (half_width > 0.14)


def test_the_best_attack_tells_how_small_the_sample_is_and_the_blind_baseline_does_not():
    attacks = {"weak_shadow": around(0.5, 0.3), "best_shadow": around(0.55, 0.098), "blind_shadow": around(0.6, 0.3)}
    assert "an AUC of 0.640 or more" in read_membership(attacks, POPULATION)


def test_a_confounded_sample_and_a_leak_come_before_too_few_people():
    wide = {"bn_distance_shadow": around(0.9, 0.3, advantage=0.4)}
    assert read_membership(wide, POPULATION).startswith("leaks: ")
    blind = measured(0.51)[POPULATION]
    assert read_membership(wide, POPULATION, blind).startswith("cannot conclude: the blind baseline")


@pytest.mark.parametrize("metrics", [{"auc": 0.5}, around(0.5, 0.0)[POPULATION], {"auc": 0.5, "auc_ci_low": None}])
def test_intervals_that_say_nothing_are_not_read(metrics):
    reading = read_membership({"bn_distance_shadow": {POPULATION: metrics}}, POPULATION)
    assert reading.startswith("no evidence: ")
    assert "power" not in reading


WORKS = {"verification_auc": 0.9, "verification_auc_ci_low": 0.85, "verification_auc_ci_high": 0.94}
WORKS |= {"embedding_spread": 0.9, "constant_dimensions": 0.1, "silent_channels": 0.03}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"verification_auc": 0.5, "verification_auc_ci_low": 0.5, "verification_auc_ci_high": 0.5},
            "it recognizes nobody, verification AUC 0.500 [0.500, 0.500] on unseen people",
        ),
        ({"verification_auc_ci_low": 0.499}, "it recognizes nobody"),
        ({"embedding_spread": 1e-6, "constant_dimensions": 1.0}, "its embeddings do not vary from face to face"),
        ({"constant_dimensions": 0.8}, "80% of an embedding's numbers are the same for every face"),
        ({"silent_channels": 0.9}, "90% of its BN channels are dead: their variance is next to 0"),
    ],
)
def test_nothing_found_in_a_backbone_that_does_not_work_is_no_verdict(changes, reason):
    nothing = {"bn_distance_shadow": around(0.5, 0.02), "blind_shadow": around(0.5, 0.02)}
    assert read_membership(nothing, POPULATION, utility=WORKS).startswith("no evidence: ")
    assert read_membership(nothing, POPULATION, utility={}).startswith("no evidence: ")
    reading = read_membership(nothing, POPULATION, utility=WORKS | changes)
    assert reading.startswith(f"cannot conclude: the backbone does not work: {reason}")
    # a leak is named all the same, and data that gives members away decides as ever
    leaking = {"bn_distance_shadow": measured(0.6, 0.1), "blind_shadow": measured(0.4)}
    told = read_membership(leaking, POPULATION, utility=WORKS | changes)
    assert told.startswith(f"cannot conclude: the backbone does not work: {reason}")
    assert "Take it for a leak all the same until that is mended: bn_distance_shadow has AUC 0.700" in told
    confounded = leaking | {"blind_shadow": measured(0.6)}
    assert read_membership(confounded, POPULATION, utility=WORKS | changes).startswith("cannot conclude: the blind")


def test_nothing_found_in_a_loaded_backbone_whose_members_were_drawn_is_no_verdict():
    nothing = {"bn_distance_shadow": around(0.5, 0.02), "blind_shadow": around(0.5, 0.02)}
    assert read_membership(nothing, POPULATION, utility=WORKS | {"drawn_members": 0.0}).startswith("no evidence: ")
    told = read_membership(nothing, POPULATION, utility=WORKS | {"drawn_members": 0.25})
    assert told.startswith("cannot conclude: 25% of the images called members were drawn, and nobody knows")
    leaking = {"bn_distance_shadow": measured(0.6, 0.1), "blind_shadow": measured(0.4)}
    assert read_membership(leaking, POPULATION, utility=WORKS | {"drawn_members": 1.0}).startswith("leaks: ")


def test_all_that_is_wrong_with_a_backbone_is_told_at_once():
    useless = WORKS | {"verification_auc_ci_low": 0.4, "embedding_spread": 0.0, "constant_dimensions": 1.0}
    assert read_utility(useless | {"silent_channels": 0.6}) == (
        "the backbone does not work: its embeddings do not vary from face to face; 60% of its BN channels are dead: "
        "their variance is next to 0; it recognizes nobody, verification AUC 0.900 [0.400, 0.940] on unseen people"
    )
    assert read_utility(WORKS) is None
    assert read_utility({"verification_auc": 0.5}) is None  # nothing is known without an interval
    assert read_utility({"verification_auc": None, "silent_channels": None}) is None


def test_the_strongest_has_the_highest_metric_then_the_other_one_and_comes_first():
    found = {"a": {"tpr": 0.2, "auc": 0.7}, "b": {"tpr": 0.2, "auc": 0.8}, "c": {"tpr": None, "auc": 0.9}}
    assert strongest(found, "tpr", "auc") == "b"
    assert strongest(found, "tpr") == "a"
    assert strongest(found, "auc") == "c"
    assert strongest({"c": found["c"]}, "tpr") is None


@pytest.mark.parametrize(("low", "cannot"), [(0.1, False), (0.0, True), (-0.2, True)])
def test_a_prior_whose_ceiling_is_not_above_chance_cannot_draw_members(low, cannot):
    ceiling = {"match_advantage_ci_low": low, "member_match_rate": 0.02}
    told = read_ceiling({"ceiling": ceiling, "optimized": {}})
    expected = "this prior cannot draw them: of photos of members that it draws as nearly as it can, 0.020 match one"
    assert told == (expected if cannot else None)


def test_nothing_is_said_of_a_prior_whose_ceiling_nobody_measured():
    assert read_ceiling({"optimized": {"match_advantage_ci_low": -1.0}}) is None


def test_judges_who_know_nobody_say_nothing_of_a_prior():
    ceiling = {"match_advantage_ci_low": -0.1, "member_match_rate": 0.0, "photograph_match_rate_ci_high": 0.05}
    assert read_ceiling({"ceiling": ceiling}) is None
    assert read_ceiling({"ceiling": ceiling | {"photograph_match_rate_ci_high": 0.9}}) is not None
