import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from faceleak.metrics.roc import (
    MetricError,
    auc,
    non_members_needed,
    roc_curve,
    share_above_non_members,
    share_of_members,
    tpr_at_fpr,
)

RATES = (0.0, 0.001, 0.01, 0.07, 0.1, 0.29, 0.5, 1.0)


def balanced_accuracy(says_member, is_member, weights=None):
    return (share_of_members(says_member, is_member, weights) + share_of_members(~says_member, ~is_member, weights)) / 2


@st.composite
def scored_images(draw):
    """Scores of few distinct values, so that ties are the rule, labels with both classes, and weights."""
    images = draw(st.integers(2, 30))
    scores = draw(hnp.arrays(np.float64, images, elements=st.integers(-4, 4).map(lambda value: value / 2)))
    is_member = draw(hnp.arrays(np.bool_, images))
    is_member[:2] = [True, False]
    weights = draw(hnp.arrays(np.uint8, (3, images), elements=st.integers(0, 4)))
    weights[:, :2] = np.maximum(weights[:, :2], 1)
    return scores, is_member, weights


def slow_tpr_at_fpr(scores, is_member, fpr, weights):
    if round(fpr * 10_000) * ((~is_member).sum() + 1) < 2 * 10_000:
        return np.nan
    best = 0.0
    for threshold in [*scores, np.inf]:
        accepted = scores >= threshold
        false_positives = weights[accepted & ~is_member].sum(dtype=int)
        allowed = (false_positives + 1) * 10_000 <= round(fpr * 10_000) * (weights[~is_member].sum(dtype=int) + 1)
        if allowed or not false_positives:
            best = max(best, weights[accepted & is_member].sum(dtype=int) / weights[is_member].sum(dtype=int))
    return best


def test_values_by_hand():
    scores = np.array([0.9, 0.6, 0.4, 0.7, 0.4, 0.1])
    is_member = np.array([True, True, True, False, False, False])
    # 0.9 beats three, 0.6 beats two, 0.4 beats one and ties with one: 6.5 of 9 pairs
    assert auc(scores, is_member) == pytest.approx(6.5 / 9)
    # the larger of two false positives has an expected rate of 2/4, the largest of three 3/4
    assert np.isnan([tpr_at_fpr(scores, is_member, fpr) for fpr in (0.0, 0.34, 0.49)]).all()
    assert tpr_at_fpr(scores, is_member, 0.5) == pytest.approx(2 / 3)
    assert tpr_at_fpr(scores, is_member, 0.74) == pytest.approx(2 / 3)  # the tie at 0.4 would cost 2 of 3
    assert tpr_at_fpr(scores, is_member, 0.75) == 1.0
    assert share_above_non_members(scores, is_member) == pytest.approx(1 / 3)
    assert balanced_accuracy(scores >= 0.5, is_member) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_weights_by_hand():
    scores, is_member = np.array([2.0, 0.0, 1.0]), np.array([True, True, False])
    weights = np.array([[1, 1, 1], [3, 1, 2], [0, 2, 1]])
    np.testing.assert_allclose(auc(scores, is_member, weights), [0.5, 0.75, 0.0])
    np.testing.assert_allclose(tpr_at_fpr(scores, is_member, 1.0, weights), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(share_above_non_members(scores, is_member, weights), [0.5, 0.75, 0.0])
    np.testing.assert_allclose(balanced_accuracy(scores >= 1, is_member, weights), [0.25, 0.375, 0.0])


def test_a_rate_that_is_a_whole_number_of_images_is_not_lost_to_rounding():
    scores = np.arange(100.0)
    is_member = scores == 71  # 28 of the 99 non-members score higher
    assert 0.29 * 100 < 28 + 1
    assert tpr_at_fpr(scores, is_member, 0.29) == 1.0
    assert tpr_at_fpr(scores, is_member, 0.28) == 0.0


@pytest.mark.parametrize(("fpr", "needed"), [(0.01, 199), (0.001, 1999), (0.5, 3), (1.0, 1)])
def test_a_rate_needs_so_many_non_members_that_one_may_be_accused(fpr, needed):
    assert non_members_needed(fpr) == needed
    for non_members, measurable in ((needed - 1, False), (needed, True)):
        scores = np.arange(non_members + 1.0)
        is_member = scores == non_members - 1  # one non-member scores higher
        value = tpr_at_fpr(scores, is_member, fpr) if non_members else np.nan
        assert value == 1.0 if measurable else np.isnan(value)


def test_the_expected_false_positive_rate_is_not_above_the_one_asked_for():
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        non_members = generator.random(250)  # a threshold t has the false-positive rate 1 − t
        scores, is_member = np.append(non_members, np.linspace(0.9, 1, 2001)), np.arange(2251) >= 250
        rates.append(tpr_at_fpr(scores, is_member, 0.01) * 0.1)  # the share of 0.9…1 above the threshold
    assert 0.0065 < np.mean(rates) < 0.0085  # 2/251: one of 250 may be accused, two may not


@settings(deadline=None)
@given(scored_images())
def test_auc_agrees_with_scikit_learn_under_weights_and_ties(images):
    scores, is_member, weights = images
    expected = [roc_auc_score(is_member, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(auc(scores, is_member, weights), expected, atol=1e-12)


@settings(deadline=None)
@given(scored_images(), st.sampled_from(RATES))
def test_tpr_at_fpr_agrees_with_a_loop_over_all_thresholds(images, fpr):
    scores, is_member, weights = images
    expected = [slow_tpr_at_fpr(scores, is_member, fpr, row) for row in weights]
    np.testing.assert_allclose(tpr_at_fpr(scores, is_member, fpr, weights), expected, atol=1e-12)


@settings(deadline=None)
@given(scored_images())
def test_balanced_accuracy_agrees_with_scikit_learn_under_weights(images):
    scores, is_member, weights = images
    says_member = scores >= 0.5
    expected = [balanced_accuracy_score(is_member, says_member, sample_weight=row) for row in weights]
    np.testing.assert_allclose(balanced_accuracy(says_member, is_member, weights), expected, atol=1e-12)


@given(scored_images())
def test_negated_scores_have_the_complementary_auc(images):
    scores, is_member, weights = images
    np.testing.assert_allclose(auc(-scores, is_member, weights), 1 - auc(scores, is_member, weights), atol=1e-12)


@given(scored_images(), st.sampled_from(RATES))
def test_only_the_order_of_the_scores_matters(images, fpr):
    scores, is_member, weights = images
    mapped = np.exp(3 * scores) - 7
    np.testing.assert_array_equal(auc(mapped, is_member, weights), auc(scores, is_member, weights))
    np.testing.assert_array_equal(
        tpr_at_fpr(mapped, is_member, fpr, weights), tpr_at_fpr(scores, is_member, fpr, weights)
    )


@given(scored_images())
def test_weights_of_one_change_nothing_and_weights_of_k_are_k_copies(images):
    scores, is_member, weights = images
    metrics = (
        auc,
        lambda s, m, w: tpr_at_fpr(s, m, 0.25, w),
        lambda s, m, w: balanced_accuracy(s > 0, m, w),
    )
    for metric in metrics:
        one = metric(scores, is_member, None)
        np.testing.assert_equal(metric(scores, is_member, np.ones((1, len(scores))))[0], one)
        if np.isnan(one):
            continue
        copies = np.repeat(np.arange(len(scores)), weights[0])
        of_copies = metric(scores[copies], is_member[copies], None)
        if not np.isnan(of_copies):
            np.testing.assert_allclose(metric(scores, is_member, weights)[0], of_copies, atol=1e-12)


def test_the_curve_holds_every_point_and_the_same_area():
    generator = np.random.default_rng(0)
    is_member = np.arange(200) % 2 == 0
    scores = (generator.normal(size=200) + is_member).round(1)
    curve = roc_curve(scores, is_member)
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auc(scores, is_member))
    assert len(curve.thresholds) == len(np.unique(scores)) + 1
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    for fpr in RATES:
        if fpr >= 2 / 101:
            allowed = (curve.fpr * 100 + 1) / 101 <= fpr + 1e-9
            assert tpr_at_fpr(scores, is_member, fpr) == pytest.approx(curve.tpr[allowed].max())


@pytest.mark.parametrize("metric", [auc, roc_curve, lambda scores, labels: tpr_at_fpr(scores, labels, 0.01)])
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, np.nan, 0.2], [True, False, False], "1 of 3 scores are NaN or infinite"),
        ([np.inf, -np.inf, 0.2], [True, False, False], "2 of 3 scores are NaN or infinite"),
        ([0.1, 0.2], [True, True], "2 members and 0 non-members"),
        ([0.1, 0.2], [False, False], "0 members and 2 non-members"),
        ([0.1, 0.2, 0.3], [True, False], "do not belong together"),
        ([0.1, 0.2], [1, 0], "must be True or False, found int64"),
    ],
)
def test_scores_without_a_roc_curve_are_refused(metric, scores, labels, message):
    with pytest.raises(MetricError, match=message):
        metric(np.array(scores), np.array(labels))


def test_an_empty_set_is_refused():
    with pytest.raises(MetricError, match="0 members and 0 non-members"):
        auc(np.array([]), np.array([], dtype=bool))


def test_a_missing_class_of_verdicts_is_refused():
    with pytest.raises(MetricError, match="2 members and 0 non-members"):
        balanced_accuracy(np.array([True, False]), np.array([True, True]))


@pytest.mark.parametrize("fpr", [-0.01, 1.01, np.nan])
def test_a_rate_outside_its_range_is_refused(fpr):
    with pytest.raises(MetricError, match="a rate lies in 0…1"):
        tpr_at_fpr(np.array([0.0, 1.0]), np.array([False, True]), fpr)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"must be \(resamples, 2\)"),
        ([[1, 1, 1]], r"must be \(resamples, 2\)"),
        ([[1, 1], [1, 0]], "The non-members have a negative, infinite or no weight"),
        ([[0, 1]], "The members have a negative, infinite or no weight"),
        ([[-1, 1]], "The members have a negative"),
        ([[np.nan, 1]], "The members have a negative"),
    ],
)
def test_weights_that_leave_a_rate_undefined_are_refused(weights, message):
    with pytest.raises(MetricError, match=message):
        auc(np.array([0.0, 1.0]), np.array([True, False]), np.array(weights))
