import numpy as np
import pytest
from scipy.special import expit

from faceleak.membership.calibration.reference_scores import ReferenceScores
from faceleak.membership.calibration.rmia import calibrate, fit, log_ratio, share


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
    learnt = {"population": options["population"].tolist(), "gap": 0.0}
    calibrated = calibrate(scores, learnt, online, a=a, gamma=gamma)
    np.testing.assert_allclose(np.floor(calibrated * 38) / 37, expected)
    np.testing.assert_array_equal(np.argsort(calibrated), np.argsort(ratios))  # no ties are left


def test_scores_whose_probabilities_underflow_are_still_told_apart():
    target, references = np.array([-900.0, -800.0, 0.0]), np.full((3, 2), -850.0)
    scores = ReferenceScores(target, references, np.zeros((3, 2), bool))
    np.testing.assert_allclose(log_ratio(scores, a=1.0), [-50, 50, 850 - np.log(2)])


@pytest.mark.parametrize("online", [False, True])
def test_the_population_is_of_non_members(simulate, online):
    scores, is_member = simulate(images=40, online=online)
    learnt = fit(scores, is_member, online)
    assert learnt["population"] == log_ratio(scores, online)[~is_member].tolist()


def test_a_side_that_is_lacking_lies_a_factor_away():
    sides = np.array([[True, False], [True, False], [False, False]])
    scores = ReferenceScores(np.zeros(3), np.array([[2.0, 0.0], [1.0, -1.0], [0.5, 0.5]]), sides)
    likelihood = expit(scores.references)
    gap = np.mean(np.log(likelihood[:2, 0] / likelihood[:2, 1]))
    assert fit(scores, np.zeros(3, bool), online=True)["gap"] == pytest.approx(gap)
    expected = np.log(0.5 / (expit(0.5) * (1 + np.exp(gap)) / 2))
    assert log_ratio(scores, online=True, gap=gap)[2] == pytest.approx(expected)
