import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import combine_pvalues, kstest, norm

from faceleak.metrics.record_risk import calibration, risk_table
from faceleak.metrics.roc import MetricError

P_VALUES = st.floats(1e-6, 1.0)


def small():
    rows = [
        (0, "i1", "a", True, 3.0, 0.01),
        (1, "i1", "a", True, 1.0, 0.20),
        (0, "i2", "a", True, 0.0, 0.50),
        (1, "i2", "a", False, -1.0, 0.80),
        (0, "i3", "b", False, 0.5, 0.30),
        (1, "i3", "b", True, 2.0, 0.04),
    ]
    return pd.DataFrame(rows, columns=["target", "image_id", "identity", "is_member", "z", "p_value"])


def simulated(shift=0.0, targets=5, people=100, images=4, seed=0, correlation=0.5):
    """Members of a target stand out by `shift`; images of a person in one target resemble each other."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), images)
    parts = []
    for target in range(targets):
        common, own = generator.normal(size=people)[person], generator.normal(size=len(person))
        is_member = (generator.random(people) < 0.5)[person]
        z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own + shift * is_member
        rows = {"target": target, "image_id": np.arange(len(person)), "identity": person, "is_member": is_member}
        parts.append(pd.DataFrame(rows | {"z": z, "p_value": norm.sf(z)}))
    return pd.concat(parts, ignore_index=True)


def test_images_by_hand():
    table = risk_table(small())
    assert list(table.columns) == ["image_id", "identity", "targets", "risk", "p_value", "q_value", "rank"]
    assert table["image_id"].tolist() == ["i1", "i3", "i2"]
    assert table["targets"].tolist() == [2, 1, 1]
    assert table["risk"].tolist() == [2.0, 2.0, 0.0]
    fisher = combine_pvalues([0.01, 0.2]).pvalue  # 0.0144
    np.testing.assert_allclose(table["p_value"], [fisher, 0.04, 0.5])
    np.testing.assert_allclose(table["q_value"], [3 * fisher, 0.06, 0.5])  # Benjamini-Hochberg: 3/1, 3/2, 3/3
    assert table["rank"].tolist() == [1, 2, 3]


def test_people_by_hand():
    table = risk_table(small(), "identity")
    assert list(table.columns) == ["identity", "images", "targets", "risk", "p_value", "q_value", "rank"]
    assert table["identity"].tolist() == ["a", "b"]
    assert table["images"].tolist() == [2, 1]
    assert table["targets"].tolist() == [2, 1]
    np.testing.assert_allclose(table["risk"], [4 / 3, 2.0])
    # a in target 0: Simes of 0.01 and 0.5 = min(2 · 0.01, 0.5) = 0.02; in target 1: 0.2
    np.testing.assert_allclose(table["p_value"], [combine_pvalues([0.02, 0.2]).pvalue, 0.04])


def test_equal_evidence_has_equal_rank():
    rows = small().assign(target=0, is_member=True, z=1.0, p_value=0.5).drop_duplicates("image_id")
    rows.loc[rows["image_id"] == "i2", ["z", "p_value"]] = [0.0, 0.9]
    table = risk_table(rows).set_index("image_id")
    assert table["rank"].to_dict() == {"i1": 1, "i3": 1, "i2": 3}


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 9), st.lists(P_VALUES, min_size=1, max_size=5), min_size=1))
def test_images_agree_with_another_implementation(by_image):
    rows = [(t, i, i, True, norm.isf(p), p) for i, values in by_image.items() for t, p in enumerate(values)]
    table = pd.DataFrame(rows, columns=small().columns)
    table["z"] = table["z"].clip(-9, 9)
    risks = risk_table(table.sample(frac=1, random_state=0)).set_index("image_id")
    for image, values in by_image.items():
        assert risks.loc[image, "p_value"] == pytest.approx(combine_pvalues(values).pvalue, rel=1e-9)
        assert risks.loc[image, "targets"] == len(values)
    assert (risks["q_value"] >= risks["p_value"] * (1 - 1e-12)).all()
    assert risks["p_value"].is_monotonic_increasing
    assert risks["rank"].is_monotonic_increasing
    alone = risk_table(table, "identity").set_index("identity")  # one image a person: both tables tell the same
    pd.testing.assert_series_equal(alone["p_value"].sort_index(), risks["p_value"].sort_index(), check_names=False)


def test_where_nobody_is_remembered_p_values_are_uniform_for_images_and_never_too_small_for_people():
    table = simulated(people=400, images=1)
    assert kstest(risk_table(table)["p_value"], "uniform").pvalue > 0.01
    for correlation in (0.0, 0.5, 1.0):
        people = risk_table(simulated(people=1000, correlation=correlation), "identity")["p_value"]
        for rate in (0.01, 0.05, 0.1):
            assert (people <= rate).mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / 1000)


def test_false_discoveries_stay_rare_and_the_remembered_are_found():
    false, found = [], []
    for seed in range(30):
        table = simulated(seed=seed, people=60, images=2)
        remembered = table["identity"] < 12
        table.loc[remembered & table["is_member"], "z"] += 2.5
        table["p_value"] = norm.sf(table["z"])
        risks = risk_table(table, "identity")
        discovered = risks.loc[risks["q_value"] <= 0.1, "identity"]
        false.append((discovered >= 12).mean() if len(discovered) else 0.0)
        found.append((discovered < 12).sum() / 12)
    assert np.mean(false) <= 0.1
    assert np.mean(found) > 0.8


def test_more_targets_make_the_evidence_stronger():
    few, many = (risk_table(simulated(1.0, targets=number))["p_value"].median() for number in (2, 10))
    assert many < 0.5 * few


def test_calibration_by_hand():
    table = pd.DataFrame({"target": 0, "image_id": range(100), "identity": range(100), "is_member": False, "z": 0.0})
    table["p_value"] = (np.arange(100) + 1) / 100
    checked = calibration(table)
    assert checked["rate"].tolist() == [0.01, 0.05, 0.1]
    assert checked["share"].tolist() == [0.01, 0.05, 0.1]
    assert (checked["rows"] == 100).all()
    # Wilson's of 5 in 100 people: 0.0215 … 0.1118; the percentiles of resamples are a little lower
    np.testing.assert_allclose(
        checked.loc[1, ["share_ci_low", "share_ci_high"]].astype(float), [0.0115, 0.1118], atol=2e-3
    )
    alike = table.assign(identity=0).assign(identity=table["identity"] // 25)  # four people with 25 images each
    assert calibration(alike)["share_ci_high"].iloc[1] > checked["share_ci_high"].iloc[1]
    assert not checked["exceeded"].any()
    assert calibration(table.assign(p_value=table["p_value"] / 3))["exceeded"].tolist() == [False, True, True]


def test_members_have_no_say_in_calibration():
    table = simulated(shift=5.0)
    expected = calibration(table[~table["is_member"]])
    pd.testing.assert_frame_equal(calibration(table), expected)
    assert not expected["exceeded"].any()
    assert (risk_table(table)["q_value"] < 0.05).mean() > 0.95


@pytest.mark.parametrize("measure", [risk_table, calibration])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["z", "target"]), "lacks target, z"),
        (lambda t: t.assign(is_member=1), "must be True or False"),
        (lambda t: t.assign(identity=None), "Empty cells in identity"),
        (lambda t: pd.concat([t, t.head(1)]), "1 of 7 rows repeat a target and image"),
        (lambda t: t.assign(z=np.nan), "6 of 6 z are NaN"),
        (lambda t: t.assign(p_value=0.0), "6 of 6 p-values lie outside"),
        (lambda t: t.assign(p_value=1.1), "6 of 6 p-values lie outside"),
        (lambda t: t.assign(p_value=np.nan), "6 of 6 p-values lie outside"),
    ],
)
def test_a_table_that_ranks_nothing_is_refused(measure, change, message):
    with pytest.raises(MetricError, match=message):
        measure(change(small()))


def test_a_missing_class_or_an_unknown_unit_is_refused():
    with pytest.raises(MetricError, match="No row is a member"):
        risk_table(small().assign(is_member=False))
    with pytest.raises(MetricError, match="No row is a non-member"):
        calibration(small().assign(is_member=True))
    with pytest.raises(MetricError, match="not of each 'person'"):
        risk_table(small(), "person")
