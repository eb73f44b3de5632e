import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.paired import paired_difference
from faceleak.metrics.repeated import measure_repeated
from faceleak.metrics.roc import MetricError

OPTIONS = BootstrapOptions(resamples=200)


def scores_table(shift, seed=0, people=50, images=3, noise=0.0, noise_seed=0, target=None):
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(2 * people), images)
    population = np.where(person < people, "member", "unseen_identity")
    score = generator.normal(size=2 * people)[person] + generator.normal(size=len(person)) + shift * (person < people)
    score += noise * np.random.default_rng([noise_seed, 1]).normal(size=len(person))
    table = pd.DataFrame({"image_id": np.arange(len(person)), "identity": person, "population": population})
    table = table.assign(is_member=person < people, score=score, says_member=score > 0)
    return table if target is None else table.assign(target=target)


def test_values_by_hand():
    first = pd.DataFrame({"image_id": [1, 2, 3, 4], "identity": list("abcd"), "score": [0.9, 0.8, 0.1, 0.2]})
    first["population"] = ["member"] * 2 + ["unseen_identity"] * 2
    first["is_member"] = first["population"] == "member"
    second = first.assign(score=[0.9, 0.1, 0.5, 0.0]).iloc[::-1]  # 0.9 beats both, 0.1 one of two
    measured = paired_difference(first, second, OPTIONS)
    assert list(measured) == ["unseen_identity"]
    assert measured["unseen_identity"]["auc_difference"] == 0.25
    assert measured["unseen_identity"]["tpr_at_fpr_1pct_difference"] is None  # two non-members cannot show it
    assert measured["unseen_identity"]["targets"] == 1


def test_an_attack_does_not_beat_itself_and_turning_the_order_turns_the_sign():
    first, second = scores_table(1.0), scores_table(1.0, noise=1.0)
    itself = paired_difference(first, first.assign(score=2 * first["score"]), OPTIONS)["unseen_identity"]
    assert itself["auc_difference"] == 0
    assert -0.03 < itself["auc_difference_ci_low"] < 0 < itself["auc_difference_ci_high"] < 0.03
    there = paired_difference(first, second, OPTIONS)["unseen_identity"]
    back = paired_difference(second, first, OPTIONS)["unseen_identity"]
    assert there["auc_difference"] == -back["auc_difference"]
    assert there["auc_difference_ci_low"] == pytest.approx(-back["auc_difference_ci_high"])


def test_the_difference_is_known_better_than_either_value():
    first, second = scores_table(1.0), scores_table(1.0, noise=0.8)
    difference = paired_difference(first, second, OPTIONS)["unseen_identity"]
    a, b = (measure_membership(table, None, OPTIONS)["unseen_identity"] for table in (first, second))
    assert difference["auc_difference"] == pytest.approx(a["auc"] - b["auc"])
    assert a["auc_ci_low"] < b["auc_ci_high"]  # side by side they overlap
    assert difference["auc_difference_ci_low"] > 0


def test_equal_attacks_are_seldom_called_different():
    found = 0
    for seed in range(60):
        first, second = (scores_table(1.0, seed, noise=0.7, noise_seed=[seed, n]) for n in (1, 2))
        measured = paired_difference(first, second, OPTIONS)["unseen_identity"]
        found += not measured["auc_difference_ci_low"] <= 0 <= measured["auc_difference_ci_high"]
    assert found <= 8  # of 60


def test_over_targets_it_is_the_difference_of_the_means():
    first = pd.concat([scores_table(shift, seed, target=seed) for seed, shift in enumerate((0.5, 1.0, 1.5))])
    second = first.assign(score=first["score"] + np.random.default_rng(0).normal(size=len(first)))
    measured = paired_difference(first, second.sample(frac=1, random_state=0), OPTIONS)["unseen_identity"]
    a, b = (measure_repeated(table, None, OPTIONS)["unseen_identity"] for table in (first, second))
    assert measured["auc_difference"] == pytest.approx(a["auc"] - b["auc"])
    assert a["tpr_at_fpr_1pct"] is measured["tpr_at_fpr_1pct_difference"] is None  # too few non-members
    assert measured["targets"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(target=0), "Only one of the two attacks names its targets"),
        (lambda t: t.head(299), "1 images were scored by only one"),
        (lambda t: t.assign(identity=t["identity"] + 1), "disagree on identity or population of 300 of 300"),
        (lambda t: t.assign(score=np.inf), "300 of 300 scores are NaN or infinite"),
        (lambda t: t.drop(columns="population"), "lacks population"),
    ],
)
def test_attacks_that_do_not_compare_are_refused(change, message):
    first = scores_table(1.0)
    with pytest.raises(MetricError, match=message):
        paired_difference(first, change(first), OPTIONS)


def test_other_targets_are_refused():
    first = scores_table(1.0, target=0)
    with pytest.raises(MetricError, match="2 targets were attacked by only one"):
        paired_difference(first, first.assign(target=1), OPTIONS)
