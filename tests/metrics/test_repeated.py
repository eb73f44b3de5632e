import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from faceleak.metrics.intervals import rate_interval, resampling_weights
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.repeated import Repetition, intervals_over_targets, measure_repeated
from faceleak.metrics.roc import MetricError, auc

OPTIONS = BootstrapOptions(resamples=200)


def one_target(target=0, shift=1.0, people=40, images=3, seed=0):
    """Half of the people are members, with as many same_identity images; half of the variance is the person's own."""
    generator = np.random.default_rng([seed, target])
    common = np.random.default_rng(seed).normal(size=people)  # what makes a face easy stays with it
    member = generator.permutation(people) < people // 2
    parts = []
    for population, is_member in (("member", member), ("same_identity", member), ("unseen_identity", ~member)):
        person = np.repeat(np.flatnonzero(is_member), images)
        score = np.sqrt(0.5) * (common[person] + generator.normal(size=len(person))) + shift * (population == "member")
        parts.append(pd.DataFrame({"identity": [f"p{p}" for p in person], "population": population, "score": score}))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "image_id", table["identity"] + table["population"] + table.index.astype(str))
    is_member = table["population"] == "member"
    return table.assign(is_member=is_member, says_member=table["score"] > 0.5, target=target)


def targets(number, **options):
    return pd.concat([one_target(target, **options) for target in range(number)], ignore_index=True)


def test_one_target_equals_the_measure_of_one_target():
    scores = one_target()
    blind = scores.assign(score=np.random.default_rng(1).normal(size=len(scores)))
    expected = measure_membership(scores.drop(columns="target"), blind, OPTIONS)
    repeated = measure_repeated(scores, blind, OPTIONS)
    for population, metrics in expected.items():
        assert repeated[population] == metrics | {"targets": 1}


def test_the_value_is_the_mean_over_targets_and_the_spread_their_standard_deviation():
    scores = pd.concat([one_target(0, 0.0), one_target(1, 1.0), one_target(2, 3.0)])
    singles = [measure_membership(rows, None, OPTIONS)["unseen_identity"] for _, rows in scores.groupby("target")]
    measured = measure_repeated(scores, None, OPTIONS)["unseen_identity"]
    assert measured["tpr_at_fpr_1pct"] is None  # 60 non-members cannot show it
    for metric in ("auc", "asr", "tpr_at_lowest_fpr", "lowest_fpr"):
        assert measured[metric] == pytest.approx(np.mean([single[metric] for single in singles]))
    assert measured["auc_spread"] == pytest.approx(np.std([single["auc"] for single in singles], ddof=1))
    assert (measured["targets"], measured["members"], measured["non_members"]) == (3, 60, 60)
    # targets that differ so much say little about their mean
    alike = measure_repeated(targets(3), None, OPTIONS)["unseen_identity"]
    widths = [m["auc_ci_high"] - m["auc_ci_low"] for m in (measured, alike)]
    assert widths[0] > 1.5 * widths[1]


def test_a_person_is_drawn_for_all_targets_together():
    # the same scores twice are one measurement, not two: the interval must not shrink
    once = one_target()
    twice = pd.concat([once, once.assign(target=1)])
    first, second = (measure_repeated(scores, None, OPTIONS)["unseen_identity"] for scores in (once, twice))
    for name in ("auc", "auc_ci_low", "auc_ci_high", "asr_ci_low"):
        assert first[name] == second[name]
    assert second["auc_spread"] == 0


def test_resamples_agree_with_a_slow_loop():
    scores = targets(3)
    rows = [t[t["population"] != "same_identity"] for _, t in scores.groupby("target")]
    everybody = pd.concat(rows)
    weights = resampling_weights(everybody["identity"].to_numpy(), everybody["is_member"].to_numpy(), 200, seed=0)
    drawn = np.random.default_rng([0, 3]).multinomial(2, [1 / 3] * 3, size=200)
    resampled = []
    for resample in range(200):
        person = dict(zip(everybody["identity"], weights[resample], strict=True))
        values = []
        for table in rows:
            heavy = table["identity"].map(person).to_numpy()[None]
            values.append(auc(table["score"].to_numpy(), table["is_member"].to_numpy(), heavy)[0])
        resampled.append(np.dot(drawn[resample], values) / 2)
    measured = measure_repeated(scores, None, OPTIONS)["unseen_identity"]
    people = min(t.groupby("is_member")["identity"].nunique().min() for t in rows)
    expected = rate_interval(measured["auc"], np.array(resampled), people, 0.95)
    np.testing.assert_allclose([measured["auc_ci_low"], measured["auc_ci_high"]], [expected.low, expected.high])


@pytest.mark.parametrize("between_targets", [0.0, 0.3])
def test_the_interval_holds_the_true_mean(between_targets):
    covered, options = 0, BootstrapOptions(resamples=150)
    true_auc = norm.cdf(1 / np.sqrt(2 + between_targets**2))  # over targets' shifts of Normal(1, between_targets)
    for seed in range(80):
        generator = np.random.default_rng(seed)
        common, repetitions = generator.normal(size=40), []
        for _ in range(6):
            member = generator.permutation(40) < 20
            shift = generator.normal(1, between_targets)
            score = np.sqrt(0.5) * (common + generator.normal(size=40)) + shift * member
            estimator = {"auc": lambda w, s=score, m=member: auc(s, m, w)}
            repetitions.append(Repetition(np.arange(40), member, estimator))
        interval = intervals_over_targets(repetitions, options)["auc"]
        covered += interval.low <= true_auc <= interval.high
    assert covered / 80 >= 0.88


def test_a_blind_baseline_is_matched_by_target():
    scores = targets(2)
    blind = scores.assign(score=np.random.default_rng(1).normal(size=len(scores))).sample(frac=1, random_state=0)
    measured = measure_repeated(scores, blind, OPTIONS)["same_identity"]
    alone = measure_repeated(scores.assign(score=blind.sort_index()["score"]), None, OPTIONS)["same_identity"]
    assert measured["advantage_over_blind"] == pytest.approx(measured["auc"] - alone["auc"])
    with pytest.raises(MetricError, match="images were scored by only one"):
        measure_repeated(scores, blind.drop(columns="target").drop_duplicates("image_id"), OPTIONS)


def test_one_baseline_serves_all_targets_that_share_their_members():
    once = one_target()
    scores = pd.concat([once, once.assign(target=1, score=once["score"] + 0.1)])
    blind = once.assign(score=0.0)[["image_id", "is_member", "score"]]
    measured = measure_repeated(scores, blind, OPTIONS)["unseen_identity"]
    assert measured["advantage_over_blind"] == pytest.approx(measured["auc"] - 0.5)


def test_a_resample_without_a_class_is_not_skipped():
    people = np.arange(6)
    labels = [np.isin(people, members) for members in ([0, 1], [2, 3], [4, 5])]  # everybody is a member somewhere
    repetitions = [Repetition(people, m, {"auc": lambda w, m=m: auc(people / 6, m, w)}) for m in labels]
    with pytest.raises(MetricError, match="resamples of people leave a target without members"):
        intervals_over_targets(repetitions, OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="target"), "no column `target`"),
        (lambda t: t.assign(target=np.where(t.index == 0, np.nan, t["target"])), "or empty cells in it"),
        (lambda t: t.head(0), "is empty"),
        (lambda t: t.drop(columns="says_member"), "scores of target 0 lacks says_member"),
        (lambda t: pd.concat([t, t.tail(1)]), "scores of target 1 repeat an image_id"),
        (lambda t: t[(t["target"] == 0) | (t["population"] != "same_identity")], "Only 1 of 2 targets"),
        (lambda t: t.assign(score=np.nan), "scores are NaN"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(change, message):
    with pytest.raises(MetricError, match=message):
        measure_repeated(change(targets(2)), None, OPTIONS)
