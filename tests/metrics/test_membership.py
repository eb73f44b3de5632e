import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from faceleak.metrics.intervals import rate_interval, resampling_weights
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc

OPTIONS = BootstrapOptions(resamples=200)
METRICS = ("auc", "asr", "tpr_at_fpr_1pct", "tpr_at_fpr_0.1pct", "tpr_at_lowest_fpr", "lowest_fpr")


def scores_table(same_shift, unseen_shift, people=60, images=5, seed=0):
    """Score `images` of each person and population; Gaussian with variance 1, half of it common to the person."""
    generator = np.random.default_rng(seed)
    parts = []
    common = generator.normal(size=2 * people)
    for population, first, shift in (
        ("member", 0, 0.0),
        ("same_identity", 0, same_shift),
        ("unseen_identity", people, unseen_shift),
    ):
        person = np.repeat(np.arange(first, first + people), images)
        score = np.sqrt(0.5) * (common[person] + generator.normal(size=len(person))) - shift
        parts.append(pd.DataFrame({"identity": [f"p{p}" for p in person], "population": population, "score": score}))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "image_id", [f"i{i}" for i in range(len(table))])
    table["is_member"] = table["population"] == "member"
    table["says_member"] = table["score"] > -0.5
    return table


def small_table():
    return pd.DataFrame(
        {
            "image_id": ["i1", "i2", "i3", "i4", "i5", "i6"],
            "identity": ["a", "b", "a", "b", "c", "d"],
            "population": ["member"] * 2 + ["same_identity"] * 2 + ["unseen_identity"] * 2,
            "is_member": [True, True, False, False, False, False],
            "score": [0.9, 0.5, 0.6, 0.1, 0.5, 0.0],
            "says_member": [True, False, True, False, False, False],
        }
    )


def test_values_by_hand_for_each_population():
    measured = measure_membership(small_table(), None, OPTIONS)
    assert list(measured) == ["same_identity", "unseen_identity"]
    same, unseen = measured["same_identity"], measured["unseen_identity"]
    assert same["auc"] == 0.75  # 0.9 beats both, 0.5 beats one
    assert same["asr"] == 0.5  # one of two members and one of two non-members are told
    assert same["tpr_at_fpr_1pct"] is same["tpr_at_fpr_0.1pct_ci_high"] is None  # two non-members cannot show it
    assert same["tpr_at_lowest_fpr"] == 0.5
    assert same["lowest_fpr"] == 1 / 3  # the larger of two non-members is passed by another one in a third of cases
    assert same["lowest_fpr_ci_high"] == pytest.approx(3.8415 / (2 + 3.8415), abs=1e-4)  # Wilson's of 0 of 2 people
    assert unseen["auc"] == 0.875  # 0.9 beats both, 0.5 beats one and ties with one
    assert unseen["asr"] == 0.75
    assert (unseen["members"], unseen["non_members"]) == (2, 2)
    expected = {name + end for name in METRICS for end in ("", "_ci_low", "_ci_high")} | {"members", "non_members"}
    assert set(same) == expected


def test_intervals_come_from_people_of_the_population_alone():
    table = scores_table(0.3, 1.0)
    measured = measure_membership(table, None, OPTIONS)
    rows = table[table["population"] != "same_identity"]
    score, is_member = rows["score"].to_numpy(), rows["is_member"].to_numpy()
    weights = resampling_weights(rows["identity"].to_numpy(), is_member, 200, seed=0)
    expected = rate_interval(auc(score, is_member), auc(score, is_member, weights), 60, 0.95)
    unseen = measured["unseen_identity"]
    np.testing.assert_allclose([unseen["auc_ci_low"], unseen["auc_ci_high"]], [expected.low, expected.high])
    alone = measure_membership(rows, None, OPTIONS)
    assert alone == {"unseen_identity": unseen}


def test_a_higher_level_gives_a_wider_interval():
    table = scores_table(0.3, 1.0)
    widths = []
    for level in (0.5, 0.9, 0.99):
        unseen = measure_membership(table, None, BootstrapOptions(resamples=200, level=level))["unseen_identity"]
        widths.append(unseen["auc_ci_high"] - unseen["auc_ci_low"])
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_where_nothing_leaks_every_interval_holds_chance():
    # one interval in twenty may miss by design; that it is no more is checked in test_intervals
    missed = []
    for seed in range(20):
        table = scores_table(0.0, 0.0, seed=seed)
        for population, metrics in measure_membership(table, None, OPTIONS).items():
            missed += [
                (seed, population, metric)
                for metric in ("auc", "asr")
                if not metrics[f"{metric}_ci_low"] <= 0.5 <= metrics[f"{metric}_ci_high"]
            ]
    assert len(missed) <= 8  # of 80


def test_a_leak_is_found():
    unseen = measure_membership(scores_table(0.0, 1.5), None, OPTIONS)["unseen_identity"]
    assert unseen["auc_ci_low"] <= norm.cdf(1.5 / np.sqrt(2)) <= unseen["auc_ci_high"]
    assert unseen["auc_ci_low"] > 0.7
    assert 0 <= unseen["tpr_at_lowest_fpr"] <= unseen["tpr_at_fpr_1pct"] <= 1  # 300 images
    assert unseen["tpr_at_fpr_0.1pct"] is None


def test_the_order_of_the_rows_changes_nothing():
    table = scores_table(0.3, 1.0)
    blind = scores_table(0.0, 0.1, seed=1)
    shuffled = table.sample(frac=1, random_state=0)
    expected = measure_membership(table, blind, OPTIONS)
    for population, metrics in measure_membership(shuffled, blind.sample(frac=1, random_state=1), OPTIONS).items():
        assert metrics == pytest.approx(expected[population], abs=1e-12)


def test_an_attack_has_no_advantage_over_itself():
    table = scores_table(0.3, 1.0)
    blind = table.assign(score=3 * table["score"] + 1)
    for metrics in measure_membership(table, blind, OPTIONS).values():
        assert metrics["advantage_over_blind"] == 0
        # the resamples have no spread; what is left is what both AUCs leave open together
        assert -0.03 < metrics["advantage_over_blind_ci_low"] < 0 < metrics["advantage_over_blind_ci_high"] < 0.03


def test_the_advantage_is_the_difference_of_the_aucs_and_its_interval_is_paired():
    table = scores_table(0.3, 1.0)
    noise = np.random.default_rng(2).normal(size=len(table))
    blind = table.assign(score=table["score"] + 0.3 * noise)[["image_id", "is_member", "score"]]
    attack = measure_membership(table, blind, OPTIONS)["unseen_identity"]
    baseline = measure_membership(table.assign(score=blind["score"]), None, OPTIONS)["unseen_identity"]
    assert attack["advantage_over_blind"] == pytest.approx(attack["auc"] - baseline["auc"])
    width = attack["advantage_over_blind_ci_high"] - attack["advantage_over_blind_ci_low"]
    # two independent intervals would give a difference wider than either; scores so alike share most of their luck
    assert width < 0.5 * (attack["auc_ci_high"] - attack["auc_ci_low"])


def test_the_inputs_stay_as_they_came():
    table, blind = scores_table(0.3, 1.0), scores_table(0.0, 0.1, seed=1)
    before = table.copy(), blind.copy()
    measure_membership(table, blind, OPTIONS)
    pd.testing.assert_frame_equal(table, before[0])
    pd.testing.assert_frame_equal(blind, before[1])


def replaced(column, row, value):
    def change(table):
        table = table.astype({column: object}) if table[column].dtype != type(value) else table.copy()
        table.loc[row, column] = value
        return table if column != "score" else table.astype({"score": float})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["says_member", "score"]), "scores lacks score, says_member"),
        (replaced("identity", 0, None), "empty cells in identity"),
        (lambda t: t.astype({"is_member": int}), "`is_member` of the scores must be True or False"),
        (lambda t: t.astype({"says_member": float}), "`says_member` of the scores must be True or False"),
        (lambda t: t.astype({"score": str}), "`score` of the scores must be a number"),
        (lambda t: pd.concat([t, t.head(2)]), "2 of 8 rows of the scores repeat an image_id"),
        (replaced("population", 5, "auxiliary"), "unknown populations: auxiliary"),
        (replaced("population", 5, "member"), "contradict each other in 1 of 6 rows"),
        (lambda t: t[t["is_member"]], "2 members and no non-members"),
        (lambda t: t[~t["is_member"]], "0 members and 2 non-members"),
        (replaced("identity", 4, "a"), "1 of 2 people called `unseen_identity` have member images"),
        (replaced("identity", 5, "c"), "All 2 non-members show one person"),
        (replaced("score", 0, np.nan), "1 of 4 scores are NaN or infinite"),
        (replaced("score", 0, np.inf), "1 of 4 scores are NaN or infinite"),
    ],
)
def test_a_table_that_cannot_be_measured_is_refused(change, message):
    with pytest.raises(MetricError, match=message):
        measure_membership(change(small_table()), None, OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="score"), "blind scores lacks score"),
        (lambda t: t.head(5), "1 images were scored by only one"),
        (replaced("image_id", 0, "elsewhere"), "2 images were scored by only one"),
        (lambda t: pd.concat([t, t.head(1)]), "1 of 7 rows of the blind scores repeat"),
        (lambda t: t.assign(is_member=~t["is_member"]), "disagree on who is a member for 6 of 6"),
        (replaced("score", 0, np.nan), "1 of 4 scores are NaN or infinite"),
    ],
)
def test_a_blind_baseline_that_does_not_compare_is_refused(change, message):
    with pytest.raises(MetricError, match=message):
        measure_membership(small_table(), change(small_table()), OPTIONS)
