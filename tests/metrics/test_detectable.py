import numpy as np
import pytest
from scipy.stats import norm

from faceleak.metrics.detectable import (
    smallest_detectable_auc,
    standard_error_of_interval,
    standard_error_of_people,
    standard_error_without_effect,
)
from faceleak.metrics.intervals import Interval, bootstrap_intervals, fewest_people, weight_blocks
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc

OPTIONS = BootstrapOptions(resamples=300)
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
    assert standard_error_of_people(10, 20) == pytest.approx(np.sqrt(31 / 2400))


@pytest.mark.parametrize("is_member", [MEMBER, HALF])
def test_an_effect_of_that_size_is_found_four_times_out_of_five(is_member):
    error = standard_error_without_effect(clustered(0, is_member, seed=99), PEOPLE, is_member, OPTIONS)
    smallest = smallest_detectable_auc(error)
    shift = np.sqrt(2) * norm.ppf(smallest)
    found = [measured_interval(clustered(shift, is_member, seed), is_member).low > 0.5 for seed in range(150)]
    assert 0.70 <= np.mean(found) <= 0.90


@pytest.mark.parametrize("is_member", [MEMBER, HALF])
def test_both_ways_to_the_standard_error_agree(is_member):
    true = np.std([auc(clustered(0, is_member, seed), is_member) for seed in range(400)])
    shuffled, bootstrap = [], []
    for seed in range(10):
        scores = clustered(0, is_member, seed)
        shuffled.append(standard_error_without_effect(scores, PEOPLE, is_member, OPTIONS))
        bootstrap.append(standard_error_of_interval(measured_interval(scores, is_member)))
    assert np.mean(shuffled) == pytest.approx(true, rel=0.12)
    assert np.mean(bootstrap) == pytest.approx(true, rel=0.12)


def test_one_score_a_person_gives_the_error_of_mann_whitney():
    scores, people = np.random.default_rng(0).normal(size=100), np.arange(100)
    error = standard_error_without_effect(scores, people, people < 30, BootstrapOptions(resamples=3000))
    assert error == pytest.approx(standard_error_of_people(30, 70), rel=0.06)


def test_labels_are_shuffled_with_their_people():
    scores = np.repeat(np.random.default_rng(0).normal(size=120), 4)  # four equal images a person are one
    error = standard_error_without_effect(scores, PEOPLE, MEMBER, BootstrapOptions(resamples=2000))
    assert error == pytest.approx(standard_error_of_people(60, 60), rel=0.08)
    # and where everybody has both labels, equal images cannot be told apart at all
    assert standard_error_without_effect(scores, PEOPLE, HALF, OPTIONS) == pytest.approx(0, abs=1e-12)


def test_the_seed_decides():
    scores = clustered(0, MEMBER, 0)
    first, again = (standard_error_without_effect(scores, PEOPLE, MEMBER, OPTIONS) for _ in range(2))
    assert first == again


def test_numbers_that_make_no_sense_are_refused():
    for error in (-0.1, np.nan, np.inf):
        with pytest.raises(MetricError, match="standard error is a number"):
            smallest_detectable_auc(error)
    for wrong in ({"level": 1.0}, {"power": 0.0}):
        with pytest.raises(MetricError, match="must lie between 0 and 1"):
            smallest_detectable_auc(0.1, **wrong)
    with pytest.raises(MetricError, match="0 members and 5 non-members"):
        standard_error_of_people(0, 5)
    with pytest.raises(MetricError, match="480 scores and 479 identities"):
        standard_error_without_effect(clustered(0, MEMBER, 0), PEOPLE[1:], MEMBER, OPTIONS)
    with pytest.raises(MetricError, match="480 members and 0 non-members"):
        standard_error_without_effect(clustered(0, MEMBER, 0), PEOPLE, np.ones(480, bool), OPTIONS)
