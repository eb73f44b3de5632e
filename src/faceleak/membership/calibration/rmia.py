"""RMIA, the robust attack with few references (arXiv 2312.03262): an image against a population of other images.

The paper compares probabilities of the right class. A backbone without classification layer gives none, so the
likelihood p(x | θ) of an image is taken to be sigmoid(score), which keeps the paper's range 0…1 that its offline
correction builds on. A score that is a logit is a probability again; scores of another kind are best brought to a
spread of a few units first.
"""

import numpy as np
from scipy import special

from faceleak.membership.calibration import Fitted
from faceleak.membership.calibration.reference_scores import BoolArray, FloatArray, ReferenceScores, fill, mean_gap

A = 0.3  # the paper's for CIFAR-10


def fit(scores: ReferenceScores, is_member: BoolArray, online: bool = False, *, a: float = A) -> Fitted:
    """Take the log ratios of non-members as `population`; online also the mean `gap` between the sides, as logarithms.

    Raises MissingReferencesError.
    """
    gap = mean_gap(*_sides(scores)) if online else 0.0
    ratios = log_ratio(scores, online, a, gap)
    return {"population": ratios[~np.asarray(is_member, bool)].tolist(), "gap": gap}


def calibrate(
    scores: ReferenceScores, fitted: Fitted, online: bool = False, *, a: float = A, gamma: float = 1.0
) -> FloatArray:
    """Count the population images z that the image beats, and order images that beat equally many by their own ratio.

    The population (m,) is that of the fit: the `log_ratio` of images of the attacker's own that the backbone was not
    trained on. The share alone has ties above the last z, just where low false-positive rates are read; a rising
    function of log ratio_x within 1/(m + 1) breaks them, so the order is that of ratio_x.

    Returns (n,) in 0…1; rounding down to whole 1/(m + 1) gives the count. Raises MissingReferencesError.
    """
    ratio = log_ratio(scores, online, a, fitted["gap"] if online else 0.0)
    population = np.array(fitted["population"])
    rise = 0.5 + 0.5 * ratio / (1 + np.abs(ratio))
    calibrated: FloatArray = (_beaten(ratio, population, gamma) + rise) / (len(population) + 1)
    return calibrated


def share(
    scores: ReferenceScores,
    online: bool = False,
    *,
    population: FloatArray,
    a: float = A,
    gamma: float = 1.0,
) -> FloatArray:
    """The paper's score with its ties: share in 0…1 of population images z with ratio_x / ratio_z ≥ gamma (eq. 3)."""
    return _beaten(log_ratio(scores, online, a), population, gamma) / len(population)


def log_ratio(scores: ReferenceScores, online: bool = False, a: float = A, gap: float = 0.0) -> FloatArray:
    """log p(x | target) − log p(x), (n,), any finite number (eq. 2).

    p(x) is the mean over references; online the mean of the out- and in-references' means, so uneven numbers do
    not weigh; offline ((1 + a)·p_out + (1 − a)) / 2 with a in 0…1, the paper's guess of what in-references would add.
    An image without references of one side has them, online, the factor exp(`gap`) away from the other's.
    """
    inside, out = _sides(scores)
    if online:
        inside, out = fill(inside, out, gap)
        expected = np.logaddexp(out, inside) - np.log(2)
    else:
        scores.out_side()
        expected = _corrected(out, a)
    ratio: FloatArray = _log_likelihood(scores.target) - expected
    return ratio


def _sides(scores: ReferenceScores) -> tuple[FloatArray, FloatArray]:
    """Log mean likelihoods of in- and out-references, (n,) each, NaN if an image has none."""
    references, trained_on = _log_likelihood(scores.references), np.asarray(scores.trained_on, bool)
    return _log_mean(references, trained_on), _log_mean(references, ~trained_on)


def _beaten(ratio: FloatArray, population: FloatArray, gamma: float) -> FloatArray:
    """How many z each image beats."""
    to_beat = np.sort(population) + np.log(gamma)
    return np.searchsorted(to_beat, ratio, side="right").astype(np.float64)


def _corrected(log_out: FloatArray, a: float) -> FloatArray:
    with np.errstate(divide="ignore"):  # a = 1 leaves p_out alone
        corrected: FloatArray = np.logaddexp(log_out + np.log1p(a), np.log1p(-a)) - np.log(2)
    return corrected


def _log_likelihood(scores: FloatArray) -> FloatArray:
    return np.asarray(special.log_expit(np.asarray(scores, np.float64)), np.float64)


def _log_mean(logs: FloatArray, chosen: BoolArray) -> FloatArray:
    number = chosen.sum(1)
    total = special.logsumexp(np.where(chosen, logs, -np.inf), axis=1)
    return np.where(number > 0, total - np.log(np.maximum(number, 1)), np.nan)
