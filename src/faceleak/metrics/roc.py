"""ROC metrics of a membership score, vectorized over bootstrap weights.

Conventions: a higher score says member; an image is called a member if score >= threshold, so images with equal
scores change sides together. With weights, an image of weight k counts as k images; whole numbers stay exact.
"""

import math
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating[Any]]
WeightArray = NDArray[Any]  # (resamples, n), whole or real numbers >= 0

_ROUNDING = 1e-9  # relative slack for rates such as 0.29 · 100, which is 28.999999999999996


class MetricError(FaceleakError):
    """The numbers given do not allow the metric that was asked for."""


class RocCurve(NamedTuple):
    """Rates in 0…1, ascending from (0, 0) to (1, 1), and the descending thresholds that give them; the first is inf."""

    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray


def roc_curve(scores: FloatArray, is_member: BoolArray) -> RocCurve:
    """Trace the ROC curve of scores (n,), one point a distinct score: on log axes no point may be left out.

    Raises MetricError if a score is not finite or a class is missing.
    """
    check_scores(scores, is_member)
    from sklearn import metrics

    return RocCurve(*metrics.roc_curve(is_member, scores, drop_intermediate=False))


@overload
def auc(scores: FloatArray, is_member: BoolArray, weights: None = None) -> float: ...
@overload
def auc(scores: FloatArray, is_member: BoolArray, weights: WeightArray) -> FloatArray: ...
def auc(scores: FloatArray, is_member: BoolArray, weights: WeightArray | None = None) -> float | FloatArray:
    """Probability in 0…1 that a member scores higher than a non-member, ties counting one half (Mann-Whitney).

    scores and is_member: (n,); weights: (resamples, n), which gives (resamples,) values instead of one.
    Raises MetricError if a score is not finite, or if a class is missing or has no weight.
    """
    check_scores(scores, is_member)
    non_members = _ascending(scores, ~is_member)
    lower = np.searchsorted(scores[non_members], scores[is_member], side="left")
    lower_or_equal = np.searchsorted(scores[non_members], scores[is_member], side="right")

    member_weights, non_member_weights = _split(weights, np.flatnonzero(is_member), non_members)
    below = _cumulated(non_member_weights)  # (resamples, non-members + 1)
    beaten = below[:, lower] + below[:, lower_or_equal]  # (resamples, members), twice the weight that each one beats
    pairs = 2 * member_weights.sum(axis=1, dtype=float) * below[:, -1]
    return _as_asked(np.einsum("rm,rm->r", member_weights, beaten) / pairs, weights)


@overload
def tpr_at_fpr(scores: FloatArray, is_member: BoolArray, fpr: float, weights: None = None) -> float: ...
@overload
def tpr_at_fpr(scores: FloatArray, is_member: BoolArray, fpr: float, weights: WeightArray) -> FloatArray: ...
def tpr_at_fpr(
    scores: FloatArray, is_member: BoolArray, fpr: float, weights: WeightArray | None = None
) -> float | FloatArray:
    """Find the largest true-positive rate, in 0…1, among the thresholds whose expected false-positive rate is `fpr`.

    That is not the share of non-members above the threshold: a threshold at the largest of n non-members is passed by
    another non-member with probability 1/(n + 1). So k false positives are allowed if (k + 1) / (n + 1) ≤ fpr.
    Nothing is interpolated between thresholds. NaN if the sample has fewer than `non_members_needed(fpr)`: the
    threshold is then the largest non-member or lies beyond it, and neither the value nor its spread can be known.
    Shapes and errors as for `auc`; an `fpr` outside 0…1 is refused.
    """
    if not 0 <= fpr <= 1:
        raise MetricError(
            f"A false-positive rate of {fpr} was asked for, but a rate lies in 0…1. Give a share: 1 % is 0.01."
        )
    check_scores(scores, is_member)
    if (~is_member).sum() < non_members_needed(fpr):
        return _as_asked(np.full(1 if weights is None else len(weights), np.nan), weights)
    members = _ascending(scores, is_member)[::-1]
    non_members = _ascending(scores, ~is_member)[::-1]
    # members above the non-member of each rank; the last entry is for thresholds that no non-member limits
    above = np.append(len(members) - np.searchsorted(scores[members][::-1], scores[non_members], "right"), len(members))

    member_weights, non_member_weights = _split(weights, members, non_members)
    false_positives = _cumulated(non_member_weights)[:, 1:]
    allowed = fpr * (false_positives[:, -1:] + 1) * (1 + _ROUNDING) - 1
    limiting = (false_positives <= allowed).sum(axis=1)  # rank of the first non-member that is one too many
    true_positives = _cumulated(member_weights)
    found = np.take_along_axis(true_positives, above[limiting][:, None], axis=1)[:, 0]
    return _as_asked(found / true_positives[:, -1], weights)


def non_members_needed(fpr: float) -> float:
    """Count the non-members by which a false-positive rate can be measured: with as many, one may be accused."""
    return math.inf if fpr == 0 else math.ceil(2 / fpr * (1 - _ROUNDING)) - 1


def share_above_non_members(
    scores: FloatArray, is_member: BoolArray, weights: WeightArray | None = None
) -> float | FloatArray:
    """Share of members, in 0…1, with a score above every non-member of the sample, for any weights of those.

    The threshold is taken as given: n non-members set it, and its own false-positive rate, 1/(n + 1) in expectation,
    is told apart from this share. Shapes and errors as for `auc`.
    """
    check_scores(scores, is_member)
    return share_of_members(scores > scores[~is_member].max(), is_member, weights)


def share_of_members(found: BoolArray, is_member: BoolArray, weights: WeightArray | None = None) -> float | FloatArray:
    """Share of members, in 0…1, whom `found` (n,) marks. Shapes and errors as for `auc`."""
    _check_classes(found, is_member)
    member_weights, _ = _split(weights, np.flatnonzero(is_member), np.flatnonzero(~is_member))
    shares = member_weights @ found[is_member].astype(float) / member_weights.sum(axis=1, dtype=float)
    return _as_asked(shares, weights)


def check_scores(scores: FloatArray, is_member: BoolArray) -> None:
    _check_classes(scores, is_member)
    if broken := int((~np.isfinite(scores)).sum()):
        raise MetricError(
            f"{broken} of {len(scores)} scores are NaN or infinite, so they have no rank. "
            "Look for failed images or a diverged attack model where the scores were made; none is dropped here."
        )


def _check_classes(values: NDArray[Any], is_member: BoolArray) -> None:
    if values.ndim != 1 or values.shape != is_member.shape:
        raise MetricError(
            f"Scores of shape {values.shape} and labels of shape {is_member.shape} do not belong together: "
            "both must be (n,), one entry an image or pair."
        )
    if is_member.dtype != bool:
        raise MetricError(f"Labels must be True or False, found {is_member.dtype}. Convert them where they are made.")
    positives = int(is_member.sum())
    if positives in (0, len(is_member)):
        raise MetricError(
            f"Found {positives} members and {len(is_member) - positives} non-members: a rate of one class against the "
            "other needs both. Check the splits and the population that was selected."
        )


def _ascending(scores: FloatArray, chosen: BoolArray) -> NDArray[np.intp]:
    indices = np.flatnonzero(chosen)
    return indices[np.argsort(scores[indices], kind="stable")]


def _split(
    weights: WeightArray | None, members: NDArray[np.intp], non_members: NDArray[np.intp]
) -> tuple[WeightArray, WeightArray]:
    """Weights of members and of non-members, in the orders given; one resample of ones if there are no weights."""
    images = len(members) + len(non_members)
    if weights is None:
        return np.ones((1, len(members)), np.uint8), np.ones((1, len(non_members)), np.uint8)
    if weights.ndim != 2 or weights.shape[1] != images:
        raise MetricError(f"Weights must be (resamples, {images}), one column a score, found {weights.shape}.")
    parts = weights[:, members], weights[:, non_members]
    for name, part in zip(("members", "non-members"), parts, strict=True):
        totals = part.sum(axis=1, dtype=float)
        if part.size and (part.min() < 0 or not np.all((totals > 0) & np.isfinite(totals))):
            raise MetricError(
                f"The {name} have a negative, infinite or no weight at all in some resample, so its rates are "
                "undefined. Draw the weights with `resampling_weights`, which keeps both classes."
            )
    return parts


def _cumulated(weights: WeightArray) -> NDArray[np.float64]:
    """Running totals (resamples, n + 1), beginning with 0."""
    totals = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=totals[:, 1:])
    return totals


def _as_asked(values: FloatArray, weights: WeightArray | None) -> float | FloatArray:
    return float(values[0]) if weights is None else values
