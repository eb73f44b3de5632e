"""RMIA, the robust attack with few references (arXiv 2312.03262): an image against a population of other images.

The paper compares probabilities of the right class. A backbone without classification layer gives none, so the
likelihood p(x | θ) of an image is taken to be sigmoid(score), which keeps the paper's range 0…1 that its offline
correction builds on. A score that is a logit is a probability again; scores of another kind are best brought to a
spread of a few units first.
"""

import numpy as np
from scipy import special

from faceleak.membership.calibration.reference_scores import BoolArray, FloatArray, ReferenceScores

A = 0.3  # the paper's for CIFAR-10


def calibrate(
    scores: ReferenceScores,
    online: bool = False,
    *,
    population: FloatArray,
    a: float = A,
    gamma: float = 1.0,
) -> FloatArray:
    """Count the population images z that the image beats, and order images that beat equally many by their own ratio.

    population (m,): the `log_ratio`, offline, of images that no backbone was trained on. The share alone has ties above
    the last z, just where low false-positive rates are read; a rising function of log ratio_x within 1/(m + 1) breaks
    them, so that the order is that of ratio_x.

    Returns (n,) in 0…1; rounding down to whole 1/(m + 1) gives the count. Raises MissingReferencesError.
    """
    ratio = log_ratio(scores, online, a)
    beaten = _beaten(ratio, population, gamma)
    rise = 0.5 + 0.5 * ratio / (1 + np.abs(ratio))
    calibrated: FloatArray = (beaten + rise) / (len(population) + 1)
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


def log_ratio(scores: ReferenceScores, online: bool = False, a: float = A) -> FloatArray:
    """log p(x | target) − log p(x), (n,), any finite number (eq. 2).

    p(x) is the mean over references; online the mean of the out- and in-references' means, so that uneven numbers do
    not weigh; offline ((1 + a)·p_out + (1 − a)) / 2 with a in 0…1, the paper's guess of what in-references would add.
    """
    scores.out_side()
    trained_on = np.asarray(scores.trained_on, bool)
    references = _log_likelihood(scores.references)
    out = _log_mean(references, ~trained_on)
    if online:
        scores.in_side()
        expected = np.logaddexp(out, _log_mean(references, trained_on)) - np.log(2)
    else:
        expected = _corrected(out, a)
    ratio: FloatArray = _log_likelihood(scores.target) - expected
    return ratio


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
    total = special.logsumexp(np.where(chosen, logs, -np.inf), axis=1)
    return np.asarray(total - np.log(chosen.sum(1)), np.float64)
