import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.intervals import resampling_weights
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError
from faceleak.metrics.subgroups import _weight_blocks, subgroup_gaps

OPTIONS = BootstrapOptions(resamples=200)


def scores_table(people=100, images=3, seed=0, old=1.0, young=1.0):
    """Every other person is old; members are shifted by `old` or `young`."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), images)
    is_member = person < people // 2
    shift = np.where(person % 2 == 0, old, young) * is_member
    score = np.sqrt(0.5) * (generator.normal(size=people)[person] + generator.normal(size=len(person))) + shift
    table = pd.DataFrame({"image_id": np.arange(len(person)), "identity": person, "is_member": is_member})
    return table.assign(population=np.where(is_member, "member", "unseen_identity"), score=score)


def ages(people=100):
    return pd.DataFrame({"identity": np.arange(people), "age": np.where(np.arange(people) % 2 == 0, "old", "young")})


def test_values_by_hand():
    scores = pd.DataFrame({"image_id": range(8), "identity": list("abcdefgh")})
    scores["is_member"] = [True] * 4 + [False] * 4
    scores["population"] = np.where(scores["is_member"], "member", "unseen_identity")
    scores["score"] = [0.9, 0.8, 0.5, 0.1, 0.2, 0.3, 0.4, 0.0]
    attributes = pd.DataFrame({"image_id": range(8), "light": ["day", "day", "night", "night"] * 2})
    table = subgroup_gaps(scores, attributes, OPTIONS, minimum_people=2).set_index("subgroup")
    # by day 0.9 and 0.8 beat 0.2 and 0.3; by night 0.5 beats 0.4 and 0.0, 0.1 beats 0.0
    assert table.loc["day", ["auc", "gap"]].tolist() == [1.0, 0.25]
    assert table.loc["night", ["auc", "gap"]].tolist() == [0.75, -0.25]
    assert (table[["members", "non_members", "people", "without_value"]].to_numpy() == [2, 2, 2, 0]).all()
    assert (table["population"] == "unseen_identity").all()
    assert (table["attribute"] == "light").all()


def test_a_gap_is_found_and_has_two_sides():
    table = subgroup_gaps(scores_table(old=2.0, young=0.2), ages(), OPTIONS).set_index("subgroup")
    old, young = table.loc["old"], table.loc["young"]
    assert old["gap_ci_low"] > 0 > young["gap_ci_high"]
    assert old["gap"] == pytest.approx(old["auc"] - young["auc"])
    assert young["gap"] == pytest.approx(-old["gap"])
    for row in (old, young):
        assert row["auc_ci_low"] <= row["auc"] <= row["auc_ci_high"]


def test_the_auc_is_that_of_the_subgroup_alone():
    scores = scores_table()
    alone = scores[scores["identity"] % 2 == 0].assign(says_member=True)
    expected = measure_membership(alone, None, OPTIONS)["unseen_identity"]
    old = subgroup_gaps(scores, ages(), OPTIONS).set_index("subgroup").loc["old"]
    assert old["auc"] == expected["auc"]
    width = expected["auc_ci_high"] - expected["auc_ci_low"]
    assert old["auc_ci_high"] - old["auc_ci_low"] == pytest.approx(width, rel=0.2)


def test_where_no_gap_is_the_interval_holds_zero():
    missed = 0
    for seed in range(60):
        gap = subgroup_gaps(scores_table(seed=seed), ages(), OPTIONS).iloc[0]
        missed += not gap["gap_ci_low"] <= 0 <= gap["gap_ci_high"]
    assert missed <= 8


def test_a_gap_within_people_is_paired():
    # every person has bright and dark images: what the person shares leaves the difference
    scores = pd.concat([scores_table(images=6)], ignore_index=True)
    scores["score"] = 3 * np.repeat(np.random.default_rng(5).normal(size=100), 6) + scores["score"]
    within = pd.DataFrame({"image_id": scores["image_id"], "light": np.tile(["bright", "dark"], 300)})
    between = pd.DataFrame({"identity": np.arange(100), "light": np.tile(["bright", "dark"], 50)})
    widths = []
    for attributes in (within, between):
        row = subgroup_gaps(scores, attributes, OPTIONS).iloc[0]
        widths.append(row["gap_ci_high"] - row["gap_ci_low"])
    assert widths[0] < 0.5 * widths[1]


def test_people_are_drawn_within_subgroup_rest_and_both():
    identities = np.array(list("aabbccddeeff"), dtype=object)
    is_member = np.isin(identities, ["a", "b", "e"])
    inside = np.array([True] * 4 + [False] * 4 + [True, False] * 2)  # a, b inside; c, d in the rest; e, f in both
    weights = np.concatenate(list(_weight_blocks(identities, is_member, inside, OPTIONS)))
    assert weights.shape == (200, 12)
    np.testing.assert_array_equal(weights[:, 0::2], weights[:, 1::2])
    for pair in (weights[:, :4], weights[:, 4:8]):
        assert (pair.sum(axis=1) == 4).all()
        assert set(np.unique(pair)) == {0, 1, 2}
    assert (weights[:, 8:] == 1).all()  # one member and one non-member in both: each is all of its kind
    alone = resampling_weights(identities, is_member, 200, 0)
    assert not (alone[:, :4].sum(axis=1) == 4).all()


def test_too_few_people_are_counted_and_not_judged():
    attributes = ages().assign(age=["rare"] * 3 + ["common"] * 97)
    table = subgroup_gaps(scores_table(), attributes, OPTIONS).set_index("subgroup")
    rare, common = table.loc["rare"], table.loc["common"]
    assert (rare["members"], rare["non_members"], rare["people"]) == (9, 0, 0)
    assert rare[["auc", "auc_ci_low", "gap", "gap_ci_high"]].isna().all()
    assert common["people"] == 47
    assert common["auc_ci_low"] < common["auc"]
    assert np.isnan(common["gap"])  # the rest are three people


def test_images_without_a_value_are_counted_and_left_out():
    scores, attributes = scores_table(), ages()
    attributes.loc[:9, "age"] = None
    table = subgroup_gaps(scores, attributes, OPTIONS)
    assert (table["without_value"] == 30).all()
    known = subgroup_gaps(scores[scores["identity"] >= 10], ages(), OPTIONS)
    pd.testing.assert_frame_equal(table.drop(columns="without_value"), known.drop(columns="without_value"))


def test_every_population_and_attribute_has_its_rows():
    scores = scores_table()
    others = scores[scores["is_member"]].assign(image_id=lambda t: t["image_id"] + 1000, is_member=False)
    scores = pd.concat([scores, others.assign(population="same_identity", score=others["score"] - 1)])
    attributes = ages().assign(glasses=np.arange(100) % 3 == 0)
    table = subgroup_gaps(scores, attributes, OPTIONS)
    assert table[["population", "attribute", "subgroup"]].value_counts().to_dict() == {
        (population, attribute, subgroup): 1
        for population in ("same_identity", "unseen_identity")
        for attribute, subgroups in (("age", ("old", "young")), ("glasses", (False, True)))
        for subgroup in subgroups
    }


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (ages().drop(columns="age"), "at least one attribute, found identity"),
        (ages().rename(columns={"identity": "person"}), "image_id or identity"),
        (pd.concat([ages(), ages().head(2)]), "2 of 102 rows of the attributes repeat an identity"),
        (ages().assign(age=None), "No scored image has a value of age"),
        (ages().assign(identity=lambda t: t["identity"].astype(str)), "another type or spelling"),
    ],
)
def test_attributes_that_make_no_subgroups_are_refused(attributes, message):
    with pytest.raises(MetricError, match=message):
        subgroup_gaps(scores_table(), attributes, OPTIONS)


def test_scores_that_cannot_be_measured_are_refused():
    with pytest.raises(MetricError, match="lacks population"):
        subgroup_gaps(scores_table().drop(columns="population"), ages(), OPTIONS)
