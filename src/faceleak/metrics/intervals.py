"""Bootstrap intervals that resample identities, not images.

Images of one person resemble each other, and a target remembers people rather than files: resampled image by image,
an interval is too narrow. Here a person is drawn with all of their images or not at all (the cluster bootstrap;
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, WeightArray

CELLS_PER_BLOCK = 4_000_000  # resamples × images that are weighed at once: about 100 MB with all that is derived

Estimator = Callable[[WeightArray | None], float | FloatArray]


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds of its confidence interval, in the unit of the value."""

    value: float
    low: float
    high: float

    def named(self, metric: str) -> dict[str, float]:
        """Key the value by the metric's name, the bounds by the name with `_ci_low` and `_ci_high` behind it."""
        return {metric: self.value, f"{metric}_ci_low": self.low, f"{metric}_ci_high": self.high}


def wilson_interval(found: BoolArray, level: float) -> Interval:
    """The share of `found` (n,) with Wilson's score interval, for trials that do not depend on each other."""
    from scipy.stats import binomtest

    bounds = binomtest(int(found.sum()), len(found)).proportion_ci(level, method="wilson")
    return Interval(float(found.mean()), float(bounds.low), float(bounds.high))


def enclosing(interval: Interval, other: Interval) -> Interval:
    """`interval`, at least as wide as `other`.

    Resampling gives a width of 0 where all outcomes are the same, however few there are: it needs this for shares.
    """
    return Interval(interval.value, min(interval.low, other.low), max(interval.high, other.high))


def independent_difference(first: Interval, second: Interval) -> Interval:
    """`first` minus `second`, of independent samples, from their intervals alone (Zou and Donner, Stat. Med. 27, 2008).

    Where the samples depend on each other in the same direction, the interval is too wide.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def resampling_weights(identities: NDArray[Any], is_member: BoolArray, resamples: int, seed: int) -> NDArray[np.uint8]:
    """Draw bootstrap weights (resamples, n): how often each image's identity was drawn, with replacement.

    identities and is_member: (n,), one entry an image. People are drawn within three strata (only member images, only
    non-member images, both), so that no resample loses a class and every stratum keeps its number of people. The
    weights of a person depend on the seed and on the set of people, not on the order of the images.
    Raises MetricError where an identity is missing or the shapes differ.
    """
    return np.concatenate(list(weight_blocks(identities, is_member, resamples, seed)))


def weight_blocks(
    identities: NDArray[Any], is_member: BoolArray, resamples: int, seed: int, rows: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Draw the rows of `resampling_weights`, the same ones, in blocks of `rows` that bound the memory."""
    codes, strata = _people(identities, is_member)
    generators = np.random.default_rng(seed).spawn(len(strata))  # one a stratum: blocks of any size draw the same
    rows = rows or rows_per_block(len(codes))
    for start in range(0, resamples, rows):
        # a count above 255 would need a person to be drawn 256 times where once is expected
        counts = np.zeros((min(rows, resamples - start), codes.max() + 1), np.uint8)
        for people, generator in zip(strata, generators, strict=True):
            counts[:, people] = _draw(len(people), len(counts), generator)
        yield counts[:, codes]


def rows_per_block(images: int) -> int:
    """Count the resamples of so many images (or pairs) that are weighed at once."""
    return max(1, CELLS_PER_BLOCK // max(1, images))


def percentile_interval(value: float, resampled: FloatArray, level: float = 0.95) -> Interval:
    """Enclose a value by the central share `level`, in 0…1, of its resampled values (resamples,).

    Where every resample gives the same value (AUC 1, no true positive at all), the width is 0: the sample then shows
    no variation to learn from, which is not certainty. Raises MetricError where a resampled value is not finite.
    """
    if broken := int((~np.isfinite(resampled)).sum()):
        raise MetricError(
            f"{broken} of {len(resampled)} resampled values are NaN or infinite, and an interval of the others would "
            "be too narrow. The metric is undefined for some resamples: more people are needed."
        )
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def bootstrap_intervals(
    estimators: Mapping[str, Estimator], blocks: Iterable[WeightArray], level: float
) -> dict[str, Interval]:
    """Measure several metrics under the same weights, as a paired comparison needs it.

    An estimator gives one float for None and (rows,) values for a block of weights (rows, n).
    """
    resampled: dict[str, list[float | FloatArray]] = {name: [] for name in estimators}
    for weights in blocks:
        for name, estimate in estimators.items():
            resampled[name].append(estimate(weights))
    return {
        name: percentile_interval(float(estimate(None)), np.concatenate(resampled[name]), level)
        for name, estimate in estimators.items()
    }


def _people(identities: NDArray[Any], is_member: BoolArray) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Number the identities in sorted order; return each image's number, and the numbers in each stratum."""
    if identities.ndim != 1 or identities.shape != is_member.shape or not len(identities):
        raise MetricError(
            f"Identities of shape {identities.shape} and labels of shape {is_member.shape} do not belong together: "
            "both must be (n,), n > 0, one entry an image."
        )
    codes, people = pd.factorize(identities, sort=True)
    if missing := int((codes < 0).sum()):
        raise MetricError(
            f"{missing} of {len(identities)} images have no identity, so nobody knows with whom to resample them. "
            "Complete the manifest, or leave these images out of the splits."
        )
    members = np.bincount(codes[is_member], minlength=len(people)) > 0
    non_members = np.bincount(codes[~is_member], minlength=len(people)) > 0
    strata = [members & ~non_members, ~members & non_members, members & non_members]
    return codes, [np.flatnonzero(stratum) for stratum in strata]


def _draw(people: int, rows: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Draw as many people as there are, with replacement, in each row; return how often each was drawn."""
    if not people:
        return np.zeros((rows, 0), np.intp)
    drawn = generator.integers(people, size=(rows, people)) + people * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * people).reshape(rows, people)
