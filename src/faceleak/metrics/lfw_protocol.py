"""Accuracy by the protocol of LFW (Huang et al., Technical Report 07-49, 2007, View 2).

Ten folds of 300 genuine and 300 impostor pairs; the threshold of a fold is the one that is best on all others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.intervals import Interval, enclosing, wilson_interval
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, check_scores, roc_curve
from faceleak.metrics.verification import check_kinds


def lfw_accuracy(
    similarity: FloatArray, same_person: BoolArray, folds: NDArray[np.integer[Any]], level: float = 0.95
) -> Interval:
    """Mean of `fold_accuracies`, with the interval of Student's t over folds, cut at 0 and 1. Raises MetricError.

    It is at least as wide as Wilson's for as many pairs: folds that all agree show no spread.
    """
    from scipy import stats

    accuracies = fold_accuracies(similarity, same_person, folds)
    mean = float(accuracies.mean())
    error = float(accuracies.std(ddof=1)) / np.sqrt(len(accuracies))
    half = float(stats.t.ppf((1 + level) / 2, len(accuracies) - 1)) * error
    over_folds = Interval(mean, max(0.0, mean - half), min(1.0, mean + half))
    return enclosing(over_folds, wilson_interval(mean, len(similarity), level))


def fold_accuracies(
    similarity: FloatArray, same_person: BoolArray, folds: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Accuracy in 0…1 of each fold, in the order of their numbers, at the threshold that is best on all other folds.

    All arrays are (pairs,); folds holds each pair's fold number. Of several best thresholds the highest is taken.
    Raises MetricError with fewer than two folds, where a fold lacks one kind of pair or a similarity is not finite.
    """
    check_scores(similarity, same_person)
    names = np.unique(folds)
    if len(names) < 2:
        raise MetricError(f"Found {len(names)} fold: the threshold must be chosen on other folds. Give at least two.")
    for fold in names:
        check_kinds(same_person[folds == fold])
    accuracies = []
    for fold in names:
        held_out = folds == fold
        threshold = _most_accurate_threshold(similarity[~held_out], same_person[~held_out])
        accuracies.append(np.mean((similarity[held_out] >= threshold) == same_person[held_out]))
    return np.array(accuracies)


def _most_accurate_threshold(similarity: FloatArray, same_person: BoolArray) -> float:
    curve = roc_curve(similarity, same_person)
    genuine = np.mean(same_person)
    return float(curve.thresholds[np.argmax(genuine * curve.tpr + (1 - genuine) * (1 - curve.fpr))])
