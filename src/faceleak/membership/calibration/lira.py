"""LiRA, the likelihood-ratio attack (arXiv 2112.03570): each image's score as a normal distribution over backbones."""

import numpy as np
from scipy import stats

from faceleak.membership.calibration import Fitted
from faceleak.membership.calibration.difference import means
from faceleak.membership.calibration.reference_scores import (
    BoolArray,
    FloatArray,
    ReferenceScores,
    Side,
    fill,
    mean_gap,
    shared_variance,
)

FEW = 8


def fit(scores: ReferenceScores, is_member: BoolArray, online: bool = False) -> Fitted:
    """Fit each side's shared variance and, online, the mean gap between the sides. Raises MissingReferencesError."""
    inside, out = scores.sides()
    fitted = {"out_variance": shared_variance(scores, is_member, out)}
    if online:
        fitted |= {"in_variance": shared_variance(scores, is_member, inside), "gap": mean_gap(*means(scores))}
    return fitted


def calibrate(scores: ReferenceScores, fitted: Fitted, online: bool = False, few: int = FEW) -> FloatArray:
    """Online: log N(s; μ_in, σ_in) − log N(s; μ_out, σ_out) (Algorithm 1). Offline: −log P(out score ≥ s).

    The offline test of the paper (eq. 4) is P(out score ≤ s), which rounds to 1 for every clear member; its
    complement's logarithm ranks alike and tells them apart. It rises with s; an online score need not, where the two
    variances differ. An image with fewer than `few` references on a side takes that side's shared variance (Section
    VI-C), which comes from the attacker's own images; it is pooled within images, whereas the paper's code also counts
    the differences between images. An image with none on a side has them, online, `gap` away from the other's.

    Returns (n,): log-likelihood ratios, or numbers ≥ 0 offline. Raises MissingReferencesError.
    """
    target = np.asarray(scores.target, np.float64)
    if not online:
        out = scores.out_side()
        return -_log_survival((target - out.mean) / _scale(out, fitted["out_variance"], few))
    inside, out = scores.sides()
    in_mean, out_mean = fill(*means(scores), fitted["gap"])
    in_scale, out_scale = _scale(inside, fitted["in_variance"], few), _scale(out, fitted["out_variance"], few)
    return _log_normal(target, in_mean, in_scale) - _log_normal(target, out_mean, out_scale)


def _scale(side: Side, shared: float, few: int) -> FloatArray:
    own = side.squares / np.maximum(side.number - 1, 1)
    enough = (side.number >= max(few, 2)) & (own > 0)
    return np.sqrt(np.where(enough, own, shared))


def _log_normal(values: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.logpdf(values, mean, scale), np.float64)


def _log_survival(z: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.logsf(z), np.float64)
