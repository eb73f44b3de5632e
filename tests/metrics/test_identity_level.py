import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from faceleak.metrics.identity_level import aggregate, measure_identities, people_as_images
from faceleak.metrics.intervals import rate_interval, resampling_weights
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc

OPTIONS = BootstrapOptions(resamples=200)
SLOW = {"mean": np.mean, "max": np.max, "median": np.median, "log_sum_exp": lambda s: logsumexp(s) - np.log(len(s))}


def table(rows):
    scores = pd.DataFrame(rows, columns=["identity", "population", "score"])
    scores.insert(0, "image_id", [f"i{i}" for i in range(len(scores))])
    is_member = scores["population"] == "member"
    return scores.assign(is_member=is_member, other_images_score=scores["score"].mask(is_member))


def small():
    rows = [("a", "member", 0.9), ("a", "member", 0.1), ("b", "member", 0.4)]
    rows += [("a", "same_identity", 0.2), ("b", "same_identity", 0.8), ("c", "unseen_identity", 0.3)]
    return table([*rows, ("d", "unseen_identity", 0.0), ("d", "unseen_identity", 0.6), ("d", "unseen_identity", 0.9)])


def simulated(people=60, images=4, member=1.0, other=0.5, seed=0):
    generator = np.random.default_rng(seed)
    common = generator.normal(size=2 * people)
    rows = []
    for population, first, shift in (
        ("member", 0, member),
        ("same_identity", 0, other),
        ("unseen_identity", people, 0),
    ):
        for person in range(first, first + people):
            score = common[person] + shift + generator.normal(size=images)
            rows += [(f"p{person}", population, value) for value in score]
    return table(rows)


def test_one_row_a_person_and_setting_by_hand():
    people = aggregate(small(), "mean")
    assert list(people.columns) == ["identity", "population", "is_member", "score", "images"]
    assert people["identity"].tolist() == ["a", "b", "c", "d"] * 2
    assert people["population"].tolist() == ["identity"] * 4 + ["identity_other_images"] * 4
    assert people["is_member"].tolist() == [True, True, False, False] * 2
    np.testing.assert_allclose(people["score"], [0.5, 0.4, 0.3, 0.5, 0.2, 0.8, 0.3, 0.5])
    assert people["images"].tolist() == [2, 1, 1, 3, 1, 1, 1, 3]


def test_values_by_hand_for_both_settings():
    measured = measure_identities(small(), None, "mean", OPTIONS)
    assert list(measured) == ["identity", "identity_other_images"]
    # 0.5 beats 0.3 and ties with 0.5, 0.4 beats 0.3; photos not trained on: 0.2 beats none, 0.8 both
    assert measured["identity"]["auc"] == 0.625
    assert measured["identity_other_images"]["auc"] == 0.5
    assert measured["identity"]["tpr_at_fpr_1pct"] is None
    assert measured["identity"]["tpr_at_lowest_fpr"] == 0
    assert measured["identity_other_images"]["tpr_at_lowest_fpr"] == 0.5
    assert (measured["identity"]["members"], measured["identity"]["non_members"]) == (2, 2)
    metrics = ("auc", "tpr_at_fpr_1pct", "tpr_at_fpr_0.1pct", "tpr_at_lowest_fpr", "lowest_fpr")
    names = {f"{metric}{end}" for metric in metrics for end in ("", "_ci_low", "_ci_high")}
    assert set(measured["identity"]) == names | {"members", "non_members"}


@pytest.mark.parametrize(
    "change",
    [
        lambda scores: scores[scores["population"] != "same_identity"],
        lambda scores: scores.drop(columns="other_images_score"),
        lambda scores: scores.assign(other_images_score=np.nan),
    ],
)
def test_without_other_images_only_one_setting_is_measured(change):
    scores = small()
    measured = measure_identities(change(scores), None, "mean", OPTIONS)
    assert measured == {"identity": measure_identities(scores, None, "mean", OPTIONS)["identity"]}


def test_the_second_setting_has_scores_of_its_own_and_not_those_that_training_images_made():
    scores = small()
    others = scores.assign(other_images_score=[np.nan, np.nan, np.nan, 0.9, 0.7, 0.5, np.nan, np.nan, 0.8])
    people = aggregate(others, "mean")
    assert people["identity"].tolist() == ["a", "b", "c", "d"] * 2
    np.testing.assert_allclose(people["score"], [0.5, 0.4, 0.3, 0.5, 0.9, 0.7, 0.5, 0.8])
    assert people["images"].tolist() == [2, 1, 1, 3, 1, 1, 1, 1]
    measured = measure_identities(others, None, "mean", OPTIONS)
    assert measured["identity"] == measure_identities(scores, None, "mean", OPTIONS)["identity"]
    assert measured["identity_other_images"]["auc"] == 0.75
    raised = others.assign(score=scores["score"] + 9 * (scores["population"] == "same_identity"))
    pd.testing.assert_frame_equal(aggregate(raised, "mean"), people)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.floats(-900, 900), min_size=1, max_size=6), min_size=1))
def test_every_aggregation_agrees_with_a_loop_over_people(images):
    rows = [(person, "member", score) for person, scores in images.items() for score in scores]
    scores = table([*rows, ("x", "unseen_identity", 0.0)]).sample(frac=1, random_state=0)
    for how, slow in SLOW.items():
        people = aggregate(scores, how).set_index("identity")["score"]
        for person, values in images.items():
            assert people[person] == pytest.approx(slow(np.array(values)), abs=1e-9)


@settings(max_examples=40)
@given(st.floats(-50, 50), st.integers(1, 30), st.sampled_from(sorted(SLOW)))
def test_more_images_with_the_same_score_are_no_advantage(score, images, how):
    scores = table([*[("a", "member", score)] * images, ("b", "unseen_identity", score)])
    people = aggregate(scores, how).set_index("identity")["score"]
    assert people["a"] == pytest.approx(people["b"], abs=1e-9)


def test_people_in_the_form_of_images_by_hand():
    says_member = [True, False, False, True, False, False, False, True, True]
    scores = small().assign(says_member=says_member, other_images_says_member=says_member, target=3)
    images = people_as_images(scores, "identity", "mean")
    assert images["image_id"].tolist() == images["identity"].tolist() == ["a", "b", "c", "d"]
    assert images["population"].tolist() == ["member"] * 2 + ["unseen_identity"] * 2
    assert images["is_member"].tolist() == [True, True, False, False]
    assert images["says_member"].tolist() == [True, False, False, True]  # one of two, none, none, two of three
    np.testing.assert_allclose(images["score"], [0.5, 0.4, 0.3, 0.5])
    others = people_as_images(scores, "identity_other_images", "max")
    assert others["population"].tolist() == ["member"] * 2 + ["unseen_identity"] * 2
    assert others["says_member"].tolist() == [True, False, False, True]
    np.testing.assert_allclose(others["score"], [0.2, 0.8, 0.3, 0.9])
    silent = people_as_images(scores.assign(other_images_says_member=False), "identity_other_images", "max")
    assert not silent["says_member"].any()
    assert images.equals(people_as_images(scores.assign(other_images_says_member=False), "identity", "mean"))


@pytest.mark.parametrize("setting", ["identity", "identity_other_images"])
def test_people_in_the_form_of_images_are_measured_as_people(setting):
    scores = simulated().assign(says_member=True, other_images_says_member=True)
    images = measure_membership(people_as_images(scores, setting, "median"), None, OPTIONS)["unseen_identity"]
    people = measure_identities(scores, None, "median", OPTIONS)[setting]
    assert {name: images[name] for name in people} == people


def test_intervals_resample_people():
    scores = simulated()
    people = aggregate(scores, "mean")
    people = people[people["population"] == "identity_other_images"]
    is_member = people["is_member"].to_numpy()
    weights = resampling_weights(people["identity"].to_numpy(), is_member, 200, seed=0)
    score = people["score"].to_numpy()
    number = int(min(is_member.sum(), (~is_member).sum()))
    expected = rate_interval(auc(score, is_member), auc(score, is_member, weights), number, 0.95)
    measured = measure_identities(scores, None, "mean", OPTIONS)["identity_other_images"]
    np.testing.assert_allclose([measured["auc_ci_low"], measured["auc_ci_high"]], [expected.low, expected.high])
    assert measure_identities(scores, None, "mean", OPTIONS)["identity"]["auc"] > measured["auc"]


def test_the_advantage_is_paired_with_the_aggregated_baseline():
    scores = simulated()
    noise = np.random.default_rng(1).normal(size=len(scores))
    blind = scores.assign(score=noise, other_images_score=noise).sample(frac=1, random_state=0)
    blind = blind[["image_id", "is_member", "score", "other_images_score"]]
    attack = measure_identities(scores, blind, "median", OPTIONS)["identity"]
    baseline = measure_identities(scores.assign(score=noise), None, "median", OPTIONS)["identity"]
    assert attack["advantage_over_blind"] == pytest.approx(attack["auc"] - baseline["auc"])
    assert attack["advantage_over_blind_ci_low"] > 0
    threefold = scores.assign(score=3 * scores["score"], other_images_score=3 * scores["other_images_score"])
    for itself in measure_identities(scores, threefold, "median", OPTIONS).values():
        assert itself["advantage_over_blind"] == 0 <= itself["advantage_over_blind_ci_high"] < 0.1


def test_where_nothing_leaks_the_interval_holds_chance():
    missed = 0
    for seed in range(20):
        measured = measure_identities(simulated(member=0, other=0, seed=seed), None, "log_sum_exp", OPTIONS)
        missed += sum(not m["auc_ci_low"] <= 0.5 <= m["auc_ci_high"] for m in measured.values())
    assert missed <= 5  # of 40


@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        (lambda t: t.drop(columns="score"), "mean", "scores lacks score"),
        (lambda t: t[t["population"] != "unseen_identity"], "mean", "hold no unseen people"),
        (lambda t: t.assign(score=np.nan), "max", "3 of 3 scores are NaN|4 of 4 scores are NaN"),
        (lambda t: t, "sum", "Unknown aggregation 'sum': choose one of mean, max"),
        (lambda t: t[t["identity"] != "c"], "mean", "All 1 non-members show one person"),
        (lambda t: t.assign(is_member=False), "mean", "contradict each other in 3 of 9"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(change, how, message):
    with pytest.raises(MetricError, match=message):
        measure_identities(change(small()), None, how, OPTIONS)


def test_a_baseline_that_has_no_score_of_that_setting_is_refused():
    lacking = small()
    lacking.loc[3, "other_images_score"] = np.nan
    with pytest.raises(MetricError, match="no other_images_score for 1 of 6 images"):
        measure_identities(small(), lacking, "mean", OPTIONS)
    with pytest.raises(MetricError, match="no other_images_score for 6 of 6 images"):
        measure_identities(small(), small().drop(columns="other_images_score"), "mean", OPTIONS)


def test_a_baseline_of_other_images_is_refused():
    with pytest.raises(MetricError, match="1 images were scored by only one"):
        measure_identities(small(), small().head(8), "mean", OPTIONS)
