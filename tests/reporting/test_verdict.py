import pytest

from faceleak.reporting.verdict import interval_text, read_membership

POPULATION = "unseen_identity"


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


def test_intervals_are_written_as_far_as_they_are_known():
    assert interval_text({"auc": 0.5, "auc_ci_low": 0.4, "auc_ci_high": 0.6}, "auc") == "0.500 [0.400, 0.600]"
    assert interval_text({"auc": 0.5, "auc_ci_low": None, "auc_ci_high": 0.6}, "auc") == "0.500"
    assert interval_text({"auc": float("nan")}, "auc") == interval_text({}, "auc") == "–"
