import numpy as np
import pytest
from scipy.stats import norm

from faceleak.metrics.detectable import (
    smallest_detectable_auc,
    standard_error_of_interval,
)
from faceleak.metrics.intervals import Interval, bootstrap_intervals, fewest_people, weight_blocks
from faceleak.metrics.roc import MetricError, auc

PEOPLE = np.repeat(np.arange(120), 4)
MEMBER = PEOPLE < 60
HALF = np.arange(480) % 2 == 0  # everybody has images of both kinds


def clustered(shift, is_member, seed):
    generator = np.random.default_rng(seed)
    return np.sqrt(0.5) * (generator.normal(size=120)[PEOPLE] + generator.normal(size=480)) + shift * is_member


def measured_interval(scores, is_member):
    blocks, people = weight_blocks(PEOPLE, is_member, 300, 0), fewest_people(PEOPLE, is_member)
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
