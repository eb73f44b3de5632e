"""From one image of a person: are members told from strangers, and do faces come nearer to the training photos?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from faceleak.metrics.intervals import Estimator, bootstrap_intervals, resampling_weights
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, WeightArray, auc
from faceleak.metrics.verification import IndexArray, normalise_rows


def likeness_to_photos(
    faces: Mapping[str, FloatArray],
    photos: Mapping[str, FloatArray],
    owner: IndexArray,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """How alike each of n faces is to its person's photos: `likeness`, a mean cosine, and `match_rate`, a share in 0…1.

    faces: evaluator → (n, d); photos: evaluator → (m, d), photo j being of person owner[j] in 0…n − 1, one of each at
    least. Cosines are means over the evaluators; a photo matches where every evaluator reaches its threshold.
    """
    cosines = {
        name: (normalise_rows(faces[name])[owner] * normalise_rows(photos[name])).sum(axis=1) for name in thresholds
    }
    matches = np.logical_and.reduce([cosines[name] >= threshold for name, threshold in thresholds.items()])
    by_photo = pd.DataFrame({"likeness": np.mean(list(cosines.values()), axis=0), "match_rate": matches.astype(float)})
    means: pd.DataFrame = by_photo.groupby(owner).mean()
    return means


def measure_means(values: pd.DataFrame, options: BootstrapOptions) -> dict[str, float]:
    """The mean of each column over people, one a row, with intervals that resample them."""
    weights = resampling_weights(np.arange(len(values)), np.ones(len(values), bool), options.resamples, options.seed)
    estimators = {str(name): _mean(column.to_numpy(float)) for name, column in values.items()}
    intervals = bootstrap_intervals(estimators, [weights], options.level)
    return {key: number for name, interval in intervals.items() for key, number in interval.named(name).items()}


def measure_difference(first: pd.DataFrame, second: pd.DataFrame, options: BootstrapOptions) -> dict[str, float]:
    """The mean of each column over people of one group less that over people of another; both groups are resampled."""
    both, is_first = pd.concat([first, second]), np.repeat([True, False], [len(first), len(second)])
    weights = resampling_weights(np.arange(len(both)), is_first, options.resamples, options.seed)
    estimators = {str(name): _difference(column.to_numpy(float), is_first) for name, column in both.items()}
    intervals = bootstrap_intervals(estimators, [weights], options.level)
    return {key: number for name, interval in intervals.items() for key, number in interval.named(name).items()}


def measure_verdict(scores: FloatArray, is_member: BoolArray, options: BootstrapOptions) -> dict[str, float]:
    """How well a score (n,) of n people tells members from strangers: `auc`, with an interval over people."""
    weights = resampling_weights(np.arange(len(scores)), is_member, options.resamples, options.seed)

    def estimate(drawn: WeightArray | None) -> float | FloatArray:
        return auc(scores, is_member) if drawn is None else auc(scores, is_member, drawn)

    return bootstrap_intervals({"auc": estimate}, [weights], options.level)["auc"].named("auc")


def _mean(values: FloatArray) -> Estimator:
    def estimate(weights: WeightArray | None) -> float | FloatArray:
        return float(values.mean()) if weights is None else weights @ values / weights.sum(axis=1)

    return estimate


def _difference(values: FloatArray, is_first: BoolArray) -> Estimator:
    first, second = _mean(values[is_first]), _mean(values[~is_first])

    def estimate(weights: WeightArray | None) -> float | FloatArray:
        if weights is None:
            return first(None) - second(None)
        return first(weights[:, is_first]) - second(weights[:, ~is_first])

    return estimate
