"""BaVarIA, Bayesian variance inference (arXiv 2603.11799): LiRA for few references, which leave the variance open.

LiRA switches from one variance for all images to one for each at a certain number of references. Here the mean and
variance of each image have a conjugate normal-inverse-gamma prior, so the references move them from what is usual
for all images to what is known of this one, and an image's score has a Student-t predictive distribution. The prior's
parameters are fitted to the references' scores of the attacker's own images, whatever the target was trained on: shape
and scale of the variance by the marginal likelihood of the sums of squares within images, mean and weight by the
moments of the images' means.

One addition, online: the gap between an image's in- and out-mean has a normal prior too, fitted by its moments, so
the references of either side help to place the other, even if an image has none of the other. Without it the gap of
two means of few references, whose sign is often wrong, decides the score.
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from faceleak.membership.calibration import Fitted
from faceleak.membership.calibration.difference import means
from faceleak.membership.calibration.reference_scores import (
    BoolArray,
    FloatArray,
    ReferenceScores,
    Side,
    mean_gap,
    shared_variance,
)

SHAPES = (0.5, 1e4)  # at 1e4 the variance is the same for all images to 1 %
WEIGHTS = (1e-6, 1e6)


class Prior(NamedTuple):
    """Normal-inverse-gamma: σ² ~ InverseGamma(shape, scale), μ | σ² ~ N(mean, σ² / weight).

    mean and weight are the same for all images, or (n,) if the other side's references place each image.
    """

    mean: FloatArray | float
    weight: FloatArray | float
    shape: float
    scale: float

    @property
    def variance(self) -> float:
        """The usual σ²: the inverse of its mean inverse."""
        return self.scale / self.shape


class Predictive(NamedTuple):
    """Student-t of a further backbone's score for each image: location, scale > 0 and degrees of freedom, each (n,)."""

    location: FloatArray
    scale: FloatArray
    degrees: FloatArray


class Gap(NamedTuple):
    """Normal distribution over images of how much higher the in-mean lies than the out-mean."""

    mean: float
    variance: float


def fit(scores: ReferenceScores, is_member: BoolArray, online: bool = False) -> Fitted:
    """Fit the prior of the out-references; online also that of the in-references, and the gap between the two.

    Raises MissingReferencesError.
    """
    inside, out = scores.sides() if online else (None, scores.out_side())
    out_prior = fit_prior(out, shared_variance(scores, is_member, out))
    if inside is None:
        return {"out": out_prior._asdict()}
    mean = mean_gap(*means(scores))
    in_prior = fit_prior(inside, shared_variance(scores, is_member, inside))
    both = (inside.number > 0) & (out.number > 0)
    noise = in_prior.variance / inside.number[both] + out_prior.variance / out.number[both]
    spread = max(0.0, float(np.var(inside.mean[both] - out.mean[both]) - np.mean(noise)))
    return {"out": out_prior._asdict(), "in": in_prior._asdict(), "gap": Gap(mean, spread)._asdict()}


def calibrate(scores: ReferenceScores, fitted: Fitted, online: bool = False) -> FloatArray:
    """Online: log t_in(s) − log t_out(s). Offline: −log P(out score ≥ s), which rises with s.

    Returns (n,): log-likelihood ratios, or numbers ≥ 0 offline. Raises MissingReferencesError.
    """
    target, out_prior = np.asarray(scores.target, np.float64), Prior(**fitted["out"])
    if not online:
        predicted = predict(scores.out_side(), out_prior)
        return -log_survival(_z(target, predicted), predicted.degrees)
    inside, out = scores.sides()
    linked_in, linked_out = _linked(inside, out, Prior(**fitted["in"]), out_prior, Gap(**fitted["gap"]))
    return _log_likelihood(target, predict(inside, linked_in)) - _log_likelihood(target, predict(out, linked_out))


def out_p_value(scores: ReferenceScores, fitted: Fitted) -> FloatArray:
    """The false-positive rate in 0…1 of each image by itself: P(score ≥ s) for backbones not trained on it.

    Uniform for non-members if references are like the target and their scores normal. Raises
    MissingReferencesError.
    """
    return np.exp(-calibrate(scores, fitted))


def out_z(scores: ReferenceScores, fitted: Fitted) -> FloatArray:
    """How many scales of its own out-predictive each score lies above the location; any finite number.

    A t value: its meaning depends on the degrees of freedom if images have unequal numbers of references. Raises
    MissingReferencesError.
    """
    predicted = predict(scores.out_side(), Prior(**fitted["out"]))
    return _z(np.asarray(scores.target, np.float64), predicted)


def fit_prior(side: Side, variance: float) -> Prior:
    """Fit the prior to one side's references, by empirical Bayes; `variance` > 0 if no image has two of them.

    Images without a reference on that side have no say.
    """
    side = side.known()
    shape, scale = _variance_prior(side, variance)
    between = np.var(side.mean) - scale / shape * np.mean(1 / side.number)
    weight = _weight(scale / shape, np.maximum(between, 0))
    return Prior(float(np.mean(side.mean)), float(weight), shape, scale)


def predict(side: Side, prior: Prior) -> Predictive:
    """Update the prior by each image's references; the predictive of one more score (Murphy 2007, eq. 100–110)."""
    weight = prior.weight + side.number
    shape = prior.shape + side.number / 2
    surprise = prior.weight * side.number * (side.mean - prior.mean) ** 2 / weight
    scale = prior.scale + (side.squares + surprise) / 2
    location = (prior.weight * prior.mean + side.number * side.mean) / weight
    return Predictive(location, np.sqrt(scale / shape * (1 + 1 / weight)), 2 * shape)


def _variance_prior(side: Side, variance: float) -> tuple[float, float]:
    """Shape and scale that make the sums of squares most likely: squares / σ² ~ χ²(count − 1), σ² ~ InverseGamma."""
    several = side.number > 1
    if not side.squares[several].any():
        return SHAPES[1], SHAPES[1] * variance
    halves, squares = (side.number[several] - 1) / 2, side.squares[several] / 2

    def surprise(logs: FloatArray) -> float:
        shape, scale = np.exp(logs[0]), np.exp(logs[0] + logs[1])
        likelihood = special.gammaln(shape + halves) - special.gammaln(shape)
        # relative to the scale: shape·log(scale) and (shape + halves)·log(scale + squares) cancel to many digits
        likelihood -= halves * np.log(scale) + (shape + halves) * np.log1p(squares / scale)
        return -float(np.mean(likelihood))

    usual = np.log(squares.sum() / halves.sum())
    start = np.array([np.log(2.0), usual])
    bounds = [tuple(np.log(SHAPES)), (usual - 20, usual + 5)]
    log_shape, log_usual = optimize.minimize(surprise, start, method="Nelder-Mead", bounds=bounds).x
    return float(np.exp(log_shape)), float(np.exp(log_shape + log_usual))


def _linked(inside: Side, out: Side, in_prior: Prior, out_prior: Prior, gap: Gap) -> tuple[Prior, Prior]:
    """Let each side's references say where the other side's mean lies: exact for normal means and known variances."""
    has_inside = inside.number > 0
    in_noise = in_prior.variance / np.maximum(inside.number, 1)
    from_inside = np.where(has_inside, _weight(out_prior.variance, in_noise + gap.variance), 0)
    weight = out_prior.weight + from_inside
    mean = (out_prior.weight * out_prior.mean + from_inside * (inside.mean - gap.mean)) / weight
    linked_out = out_prior._replace(mean=mean, weight=weight)

    placed = predict(out, out_prior).location
    from_out = _weight(in_prior.variance, out_prior.variance / (out_prior.weight + out.number) + gap.variance)
    return in_prior._replace(mean=placed + gap.mean, weight=from_out), linked_out


def _weight(variance: float, variance_of_mean: FloatArray) -> FloatArray:
    """How many references a prior of the mean is worth."""
    least, most = WEIGHTS
    return np.maximum(variance / np.maximum(variance_of_mean, variance / most), least)


def _z(target: FloatArray, predicted: Predictive) -> FloatArray:
    return (target - predicted.location) / predicted.scale


def _log_likelihood(target: FloatArray, predicted: Predictive) -> FloatArray:
    return log_density(_z(target, predicted), predicted.degrees) - np.log(predicted.scale)


FAR = 10.0
_NODES, _WEIGHTS = special.roots_laguerre(32)


def log_survival(z: FloatArray, degrees: FloatArray) -> FloatArray:
    """log P(T ≥ z) ≤ 0 for a standard t with `degrees` > 0 of freedom; z and degrees: (n,).

    Finite and strictly falling even if the probability itself underflows: there the tail's integral ∫ f(z·eʸ)·z·eʸ dy
    is evaluated relative to f(z) by Gauss-Laguerre quadrature, to about 1e-13 relative.
    """
    z, degrees = np.broadcast_arrays(np.asarray(z, np.float64), np.asarray(degrees, np.float64))
    far = z > FAR
    result: FloatArray = np.log(special.stdtr(degrees, -np.where(far, FAR, z)))
    if far.any():
        result[far] = _far_tail(z[far], degrees[far])
    return result


def log_density(z: FloatArray, degrees: FloatArray) -> FloatArray:
    """log f(z) of a standard t, finite even if z² overflows."""
    near = np.asarray(stats.t.logpdf(np.clip(z, -1e100, 1e100), degrees), np.float64)
    beyond: FloatArray = (degrees + 1) * np.log(np.maximum(np.abs(z) / 1e100, 1.0))
    return near - beyond


def _far_tail(z: FloatArray, degrees: FloatArray) -> FloatArray:
    share = 1 / (1 + (np.sqrt(degrees) / z) ** 2)  # z² / (z² + degrees)
    rate = degrees * share  # about the integrand's decay in y
    y = _NODES / rate[:, None]
    log_ratio = -(degrees[:, None] + 1) / 2 * np.log1p(share[:, None] * np.expm1(2 * y)) + y + _NODES
    integral: FloatArray = np.exp(log_ratio) @ _WEIGHTS
    return log_density(z, degrees) + np.log(z / rate * integral)
