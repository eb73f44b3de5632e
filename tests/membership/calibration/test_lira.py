import numpy as np
import pytest
from scipy.stats import norm

from faceleak.membership.calibration.lira import FEW, calibrate, fit
from faceleak.membership.calibration.reference_scores import ReferenceScores

NOBODY = np.zeros(2, bool)


def by_hand(scores, image, few):
    """(mean, standard deviation) of the out- and of the in-references of one image."""
    sides = []
    for chosen in (~scores.trained_on, scores.trained_on):
        values = [row[mask] for row, mask in zip(scores.references, chosen, strict=True)]
        pooled = np.sqrt(sum(v.var() * len(v) for v in values) / sum(len(v) - 1 for v in values))
        own = values[image].std(ddof=1) if len(values[image]) >= few else pooled
        sides.append((values[image].mean(), own))
    return sides


@pytest.mark.parametrize(("few", "references"), [(FEW, 3), (3, 4), (4, 4)])
def test_ratio_and_tail_by_hand(simulate, few, references):
    scores, _ = simulate(images=40, references=references, online=True)
    learnt = fit(scores, np.arange(40) % 2 == 0, online=True)
    online, offline = calibrate(scores, learnt, online=True, few=few), calibrate(scores, learnt, few=few)
    for image in (0, 1, 39):
        out, inside = by_hand(scores, image, few)
        expected = norm.logpdf(scores.target[image], *inside) - norm.logpdf(scores.target[image], *out)
        assert online[image] == pytest.approx(expected)
        assert offline[image] == pytest.approx(-norm.logsf(scores.target[image], *out))


def test_only_images_with_enough_references_have_a_variance_of_their_own():
    random = np.random.default_rng(0)
    references = random.normal(size=(2, FEW + 1)) * np.array([[1.0], [10.0]])
    trained_on = np.zeros((2, FEW + 1), bool)
    trained_on[0, :2] = True  # leaves FEW − 1
    scores = ReferenceScores(np.array([3.0, 3.0]), references, trained_on)
    out = [row[~mask] for row, mask in zip(references, trained_on, strict=True)]
    pooled = np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in out) / (FEW - 2 + FEW))
    expected = [-norm.logsf(3, out[0].mean(), pooled), -norm.logsf(3, out[1].mean(), out[1].std(ddof=1))]
    np.testing.assert_allclose(calibrate(scores, fit(scores, NOBODY)), expected)


def test_a_tail_beyond_floating_point_probabilities():
    scores = ReferenceScores(np.array([50.0, 60.0]), np.array([[-1.0, 1.0], [-1.0, 1.0]]), np.zeros((2, 2), bool))
    # variance (1 + 1) / 1 an image: z = 50/√2; −log sf ≈ z²/2 + log(z √(2π))
    z = 50 / np.sqrt(2)
    assert calibrate(scores, fit(scores, NOBODY))[0] == pytest.approx(
        z**2 / 2 + np.log(z * np.sqrt(2 * np.pi)), abs=1e-3
    )


def test_the_variance_is_that_of_the_attackers_own_images():
    own = ReferenceScores(np.zeros(2), np.array([[-1.0, 1.0], [0.0, 2.0]]), np.zeros((2, 2), bool))
    assert fit(own, NOBODY) == {"out_variance": 2.0}
    judged = ReferenceScores(np.array([3.0]), np.array([[-50.0, 50.0]]), np.zeros((1, 2), bool))
    assert calibrate(judged, fit(own, NOBODY))[0] == pytest.approx(-norm.logsf(3, 0, np.sqrt(2)))
