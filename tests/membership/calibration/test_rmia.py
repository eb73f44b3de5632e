import numpy as np
import pytest
from scipy.special import expit

from faceleak.membership.calibration.reference_scores import ReferenceScores
from faceleak.membership.calibration.rmia import calibrate, log_ratio, share


def ratio(target, references, trained_on, online, a):
    """The paper's ratio of one image, in probabilities."""
    out, inside = expit(references[~trained_on]).mean(), expit(references[trained_on]).mean() if online else 0
    expected = (out + inside) / 2 if online else ((1 + a) * out + (1 - a)) / 2
    return expit(target) / expected


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_share_of_the_population_that_is_beaten_by_a_slow_reference(simulate, online, a, gamma):
    scores, _ = simulate(images=60, online=True)
    population, _ = simulate(images=37, references=8, seed=1)
    images = list(zip(scores.target, scores.references, scores.trained_on, strict=True))
    ratios = [ratio(*image, online, a) for image in images]
    others = [
        ratio(target, row, np.zeros(8, bool), False, a)
        for target, row in zip(population.target, population.references, strict=True)
    ]
    options = {"population": log_ratio(population, a=a)}
    expected = [np.mean([x / z >= gamma for z in others]) for x in ratios]
    np.testing.assert_allclose(log_ratio(scores, online, a), np.log(ratios), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(share(scores, online, a=a, gamma=gamma, **options), expected)
    calibrated = calibrate(scores, online, a=a, gamma=gamma, **options)
    np.testing.assert_allclose(np.floor(calibrated * 38) / 37, expected)
    np.testing.assert_array_equal(np.argsort(calibrated), np.argsort(ratios))  # no ties are left


def test_scores_whose_probabilities_underflow_are_still_told_apart():
    target, references = np.array([-900.0, -800.0, 0.0]), np.full((3, 2), -850.0)
    scores = ReferenceScores(target, references, np.zeros((3, 2), bool))
    np.testing.assert_allclose(log_ratio(scores, a=1.0), [-50, 50, 850 - np.log(2)])
