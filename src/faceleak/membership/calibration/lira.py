"""LiRA, the likelihood-ratio attack (arXiv 2112.03570): each image's score as a normal distribution over backbones."""

import numpy as np
from scipy import stats

from faceleak.membership.calibration.reference_scores import FloatArray, ReferenceScores, Side
from faceleak.membership.calibration.shared_variance import shared_variance

FEW = 8


def calibrate(scores: ReferenceScores, online: bool = False, few: int = FEW) -> FloatArray:
    """Online: log N(s; μ_in, σ_in) − log N(s; μ_out, σ_out) (Algorithm 1). Offline: −log P(out score ≥ s).

    The offline test of the paper (eq. 4) is P(out score ≤ s), which rounds to 1 for every clear member; its
    complement's logarithm ranks alike and tells them apart. It rises with s; an online score need not, where the two
    variances differ. An image with fewer than `few` references on a side takes that side's shared variance (Section
    VI-C); here it is pooled within images, where the paper's code also counts the differences between images.

    Returns (n,): log-likelihood ratios, or numbers ≥ 0 offline. Raises MissingReferencesError.
    """
    target = np.asarray(scores.target, np.float64)
    out = scores.out_side()
    out_scale = _scale(target, out, out, few)
    if not online:
        return -_log_survival((target - out.mean) / out_scale)
    inside = scores.in_side()
    in_scale = _scale(target, out, inside, few)
    return _log_normal(target, inside.mean, in_scale) - _log_normal(target, out.mean, out_scale)


def _scale(target: FloatArray, out: Side, side: Side, few: int) -> FloatArray:
    shared = shared_variance(target, out, side)
    own = side.squares / np.maximum(side.number - 1, 1)
    enough = (side.number >= max(few, 2)) & (own > 0)
    return np.sqrt(np.where(enough, own, shared))


def _log_normal(values: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.logpdf(values, mean, scale), np.float64)


def _log_survival(z: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.logsf(z), np.float64)
