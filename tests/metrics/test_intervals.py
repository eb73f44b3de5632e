import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest, norm

from faceleak.metrics import intervals
from faceleak.metrics.intervals import (
    DIFFERENCE,
    Combination,
    Interval,
    bootstrap_intervals,
    combined_interval,
    difference,
    fewest_people,
    independent_difference,
    percentile_interval,
    rate_interval,
    resampling_weights,
    smallest_detectable_auc,
    smallest_detectable_share,
    standard_error_of_interval,
    weight_blocks,
    wilson_interval,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc, share_of_members

PEOPLE = np.array(["a", "a", "b", "b", "b", "c", "d", "d", "e"])
IS_MEMBER = np.array([True, True, True, True, True, False, True, False, False])  # a, b: members; c, e: not; d: both
CROWD = np.repeat(np.arange(120), 4)
MEMBER = CROWD < 60
HALF = np.arange(480) % 2 == 0  # everybody has images of both kinds


def test_all_images_of_a_person_have_the_same_weight_and_every_stratum_keeps_its_size():
    weights = resampling_weights(PEOPLE, IS_MEMBER, 500, seed=0)
    assert weights.shape == (500, 9)
    for person in np.unique(PEOPLE):
        assert (np.ptp(weights[:, person == PEOPLE], axis=1) == 0).all()
    a, b, c, d, e = (weights[:, index] for index in (0, 2, 5, 6, 8))
    assert set(a) == {0, 1, 2}
    np.testing.assert_array_equal(a + b, 2)
    np.testing.assert_array_equal(c + e, 2)
    np.testing.assert_array_equal(d, 1)


def test_people_are_drawn_as_often_as_a_binomial_says():
    people = 20
    drawn = resampling_weights(np.arange(people), np.ones(people, bool), 20_000, seed=3)
    assert drawn.mean() == 1.0
    # Binomial(20, 1/20): variance 0.95, never drawn with probability 0.95^20
    np.testing.assert_allclose(drawn.var(axis=0), 0.95, rtol=0.05)
    np.testing.assert_allclose((drawn == 0).mean(axis=0), 0.95**20, atol=0.015)
    # and two of them cov −1/20, correlation −1/19
    np.testing.assert_allclose(np.corrcoef(drawn.T)[0, 1:], -1 / 19, atol=0.03)


@given(st.integers(1, 40), st.integers(0, 5))
def test_blocks_of_any_size_draw_the_same_weights(rows, seed):
    blocks = list(weight_blocks(PEOPLE, IS_MEMBER, 37, seed, rows))
    assert max(map(len, blocks)) <= rows
    np.testing.assert_array_equal(np.concatenate(blocks), resampling_weights(PEOPLE, IS_MEMBER, 37, seed))


@given(st.permutations(range(9)))
def test_a_persons_weights_do_not_depend_on_the_order_of_the_images(order):
    expected = resampling_weights(PEOPLE, IS_MEMBER, 20, seed=1)[:, order]
    np.testing.assert_array_equal(resampling_weights(PEOPLE[order], IS_MEMBER[order], 20, seed=1), expected)


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second, other = (resampling_weights(PEOPLE, IS_MEMBER, 50, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_thousand_resamples_of_five_thousand_images_come_in_a_few_bounded_blocks():
    identities = np.repeat(np.arange(500), 10)
    is_member = identities % 2 == 0
    scores = np.random.default_rng(0).normal(size=5000)
    rows = []
    for weights in weight_blocks(identities, is_member, 1000, seed=0):
        assert weights.size <= intervals.CELLS_PER_BLOCK
        rows.append(len(auc(scores, is_member, weights)))
    assert sum(rows) == 1000
    assert len(rows) == -(-1000 * 5000 // intervals.CELLS_PER_BLOCK)  # each as large as allowed, for few calls


@pytest.mark.parametrize(
    ("identities", "message"),
    [
        (np.array(["a", None, "b"], dtype=object), "1 of 3 images have no identity"),
        (np.array(["a", "b"]), "do not belong together"),
        (np.array([["a", "b", "c"]]), "do not belong together"),
    ],
)
def test_images_without_a_person_are_refused(identities, message):
    with pytest.raises(MetricError, match=message):
        resampling_weights(identities, np.array([True, False, True]), 10, seed=0)


def test_nobody_cannot_be_resampled():
    with pytest.raises(MetricError, match="n > 0"):
        resampling_weights(np.array([]), np.array([], dtype=bool), 10, seed=0)


def test_a_percentile_interval_by_hand():
    interval = percentile_interval(50.0, np.arange(101.0), level=0.9)
    np.testing.assert_allclose([interval.value, interval.low, interval.high], [50, 5, 95])
    assert Interval(0.5, 0.4, 0.6).named("auc") == {"auc": 0.5, "auc_ci_low": 0.4, "auc_ci_high": 0.6}


def test_an_undefined_resample_is_not_dropped():
    with pytest.raises(MetricError, match="1 of 3 resampled values"):
        percentile_interval(0.5, np.array([0.4, np.nan, 0.6]))


@pytest.mark.parametrize(
    "wrong", [{"resamples": 99}, {"level": 0.0}, {"level": 1.0}, {"seed": -1}, {"number": 1000}, {"resamples": "many"}]
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        BootstrapOptions(**wrong)
    assert BootstrapOptions() == BootstrapOptions(resamples=1000, level=0.95, seed=0)


def coverage(true_auc, draw_scores, identities, is_member, resampled_units, data_sets=250):
    """Share of simulated data sets whose 95 % interval holds the true AUC."""
    covered = 0
    for seed in range(data_sets):
        scores = draw_scores(np.random.default_rng(seed))
        blocks = weight_blocks(resampled_units, is_member, 300, seed)
        people = fewest_people(resampled_units, is_member)
        interval = bootstrap_intervals({"auc": lambda w, s=scores: auc(s, is_member, w)}, blocks, people, 0.95)["auc"]
        covered += interval.low <= true_auc <= interval.high
    return covered / data_sets


def clustered_scores(identities, is_member, shift, share):
    """Draw Gaussian scores of variance 1, of which `share` is common to a person; members are shifted."""
    people = identities.max() + 1

    def draw(generator):
        common = generator.normal(size=people)[identities]
        own = generator.normal(size=len(identities))
        return np.sqrt(share) * common + np.sqrt(1 - share) * own + shift * is_member

    return draw


@pytest.mark.parametrize("shift", [0.0, 0.8])  # 0: members and non-members are drawn alike, AUC 0.5
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_intervals_of_unseen_people_hold_the_true_auc(shift, share):
    identities = np.repeat(np.arange(80), 6)
    is_member = identities < 40
    draw = clustered_scores(identities, is_member, shift, share)
    true_auc = norm.cdf(shift / np.sqrt(2))  # a member and a non-member are always two people
    assert coverage(true_auc, draw, identities, is_member, identities) >= 0.90


def test_intervals_of_the_same_people_hold_the_true_auc():
    identities = np.repeat(np.arange(50), 6)
    is_member = np.arange(300) % 2 == 0
    shift, share = 0.8, 0.5
    draw = clustered_scores(identities, is_member, shift, share)
    # one pair in fifty shows one person, whose common part cancels
    true_auc = 0.98 * norm.cdf(shift / np.sqrt(2)) + 0.02 * norm.cdf(shift / np.sqrt(2 * (1 - share)))
    assert coverage(true_auc, draw, identities, is_member, identities) >= 0.90


def test_resampling_images_would_claim_far_too_much_where_images_of_a_person_are_identical():
    identities = np.repeat(np.arange(80), 6)
    is_member = identities < 40
    draw = clustered_scores(identities, is_member, 0.8, share=1.0)
    naive = coverage(norm.cdf(0.8 / np.sqrt(2)), draw, identities, is_member, np.arange(480))
    assert naive <= 0.70


def test_metrics_share_their_resamples():
    identities = np.repeat(np.arange(20), 3)
    is_member = identities < 10
    scores = np.random.default_rng(0).normal(size=60)

    estimators = {
        "first": lambda weights: auc(scores, is_member, weights),
        "second": lambda weights: auc(2 * scores, is_member, weights),
    }
    estimators["difference"] = difference(*estimators.values())
    measured = bootstrap_intervals(estimators, weight_blocks(identities, is_member, 200, seed=0, rows=7), 10, 0.95)
    assert measured["first"] == measured["second"]
    assert measured["difference"].value == 0
    # the resamples of the difference are all 0; what is left is what intervals reach beyond resamples
    widths = {name: interval.high - interval.low for name, interval in measured.items()}
    assert widths["difference"] < 0.5 * widths["first"]


def test_the_difference_of_independent_values_has_the_interval_of_a_normal_one_where_both_are_normal():
    first, second = Interval(0.5, 0.5 - 0.3, 0.5 + 0.3), Interval(0.2, 0.2 - 0.4, 0.2 + 0.4)
    difference = independent_difference(first, second)
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.3, -0.2, 0.8))  # √(0.3² + 0.4²)
    sided = independent_difference(Interval(0.5, 0.5, 0.9), Interval(0.2, 0.1, 0.2))
    assert (sided.low, sided.high) == pytest.approx((0.3, 0.3 + np.hypot(0.4, 0.1)))


def test_wilson_by_hand_and_by_scipy():
    z = norm.ppf(0.975)
    assert wilson_interval(1.0, 40, 0.95).low == pytest.approx(40 / (40 + z**2))  # 40 of 40: from 91 %
    expected = binomtest(7, 23).proportion_ci(0.9, method="wilson")
    interval = wilson_interval(7 / 23, 23, 0.9)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("people", [2, 14, 50])
def test_people_who_all_turn_out_alike_are_no_certainty(people):
    alike, wilson = np.ones(200), wilson_interval(1.0, people, 0.95)
    rate = rate_interval(1.0, alike, people, 0.95)
    assert (rate.low, rate.high) == pytest.approx((wilson.low, 1.0))
    two = combined_interval(np.ones(2), np.array([alike, alike]), DIFFERENCE, people, 0.95)
    assert (two.value, two.low, two.high) == pytest.approx((0, wilson.low - 1, 1 - wilson.low))


def test_verdicts_that_are_all_alike_are_no_certainty_either():
    is_member = np.arange(100) < 50
    says = np.zeros(100, bool)  # every member is missed, every non-member told: 0.5
    rates = tuple(lambda w, s=s, m=m: share_of_members(s, m, w) for s, m in ((says, is_member), (~says, ~is_member)))
    blocks = weight_blocks(np.arange(100), is_member, 200, seed=0)
    asr = bootstrap_intervals({"asr": Combination(rates, (0.5, 0.5))}, blocks, 50, 0.95)["asr"]
    missed = wilson_interval(0.0, 50, 0.95).high / 2
    assert (asr.value, asr.low, asr.high) == pytest.approx((0.5, 0.5 - missed, 0.5 + missed))


def test_scores_that_are_all_alike_are_no_certainty_either():
    interval, wilson = rate_interval(0.5, np.full(200, 0.5), 2000, 0.95), wilson_interval(0.5, 2000, 0.95)
    assert (interval.low, interval.high) == (wilson.low, wilson.high)


def test_a_rate_in_the_middle_keeps_the_interval_of_its_resamples():
    resampled = np.random.default_rng(0).normal(0.6, 0.05, 2000)
    interval, percentiles = rate_interval(0.6, resampled, 96, 0.95), percentile_interval(0.6, resampled)
    assert interval.high - interval.low == pytest.approx(percentiles.high - percentiles.low, rel=0.06)


def clustered(shift, is_member, seed):
    generator = np.random.default_rng(seed)
    return np.sqrt(0.5) * (generator.normal(size=120)[CROWD] + generator.normal(size=480)) + shift * is_member


def measured_interval(scores, is_member):
    blocks, people = weight_blocks(CROWD, is_member, 300, 0), fewest_people(CROWD, is_member)
    return bootstrap_intervals({"auc": lambda w: auc(scores, is_member, w)}, blocks, people, 0.95)["auc"]


def test_values_by_hand():
    # 1.95996 + 0.84162 standard errors above chance
    assert smallest_detectable_auc(0.02) == pytest.approx(0.5 + 2.80159 * 0.02, abs=1e-6)
    assert smallest_detectable_auc(0.02, level=0.9, power=0.5) == pytest.approx(0.5 + 1.64485 * 0.02, abs=1e-6)
    assert smallest_detectable_auc(0.0) == 0.5
    assert smallest_detectable_auc(0.3) == 1.0
    assert standard_error_of_interval(Interval(0.5, 0.4, 0.6)) == pytest.approx(0.1 / 1.95996, abs=1e-6)


@pytest.mark.parametrize("is_member", [MEMBER, HALF])
def test_an_effect_of_that_size_is_found_four_times_out_of_five(is_member):
    error = standard_error_of_interval(measured_interval(clustered(0, is_member, seed=99), is_member))
    smallest = smallest_detectable_auc(error)
    shift = np.sqrt(2) * norm.ppf(smallest)
    found = [measured_interval(clustered(shift, is_member, seed), is_member).low > 0.5 for seed in range(150)]
    assert 0.70 <= np.mean(found) <= 0.90


@pytest.mark.parametrize("is_member", [MEMBER, HALF])
def test_the_standard_error_of_an_interval_is_the_true_one(is_member):
    true = np.std([auc(clustered(0, is_member, seed), is_member) for seed in range(400)])
    intervals = [measured_interval(clustered(0, is_member, seed), is_member) for seed in range(10)]
    assert np.mean([standard_error_of_interval(interval) for interval in intervals]) == pytest.approx(true, rel=0.12)


def test_numbers_that_make_no_sense_are_refused():
    for error in (-0.1, np.nan, np.inf):
        with pytest.raises(MetricError, match="standard error is a number"):
            smallest_detectable_auc(error)
    for wrong in ({"level": 1.0}, {"power": 0.0}):
        with pytest.raises(MetricError, match="must lie between 0 and 1"):
            smallest_detectable_auc(0.1, **wrong)


def test_the_smallest_share_by_hand():
    # Of 10 people, 3 found at 5 % happen with probability 0.0115 and 2 with 0.0861; 3 or more of 10 at 0.382 with 0.8
    assert smallest_detectable_share(10, 0.05) == pytest.approx(0.382, abs=0.002)
    assert smallest_detectable_share(1, 0.05) == 1.0
    assert smallest_detectable_share(1000, 0.05) < 0.08
    assert smallest_detectable_share(1, 0.01) == pytest.approx(0.8, abs=0.001)


@pytest.mark.parametrize(("people", "chance"), [(0, 0.05), (10, 0.0), (10, 1.0)])
def test_a_share_of_nobody_or_by_no_chance_is_refused(people, chance):
    with pytest.raises(MetricError, match="somebody"):
        smallest_detectable_share(people, chance)
