"""Bootstrap intervals that resample identities, not images.

Images of one person resemble each other, and a target remembers people rather than files: resampled image by image,
an interval is too narrow. Here a person is drawn with all of their images or not at all (the cluster bootstrap;
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

Resamples hold nobody but the people of the sample, so their spread vanishes if all people turn out alike (a rate of
0 or 1, an AUC of 1), however few they are. No interval is therefore narrower than what so many people can show.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, WeightArray

CELLS_PER_BLOCK = 4_000_000  # resamples × images that are weighed at once: about 100 MB with all that is derived

DIFFERENCE = (1.0, -1.0)
Estimator = Callable[[WeightArray | None], float | FloatArray]  # of a rate or an AUC, in 0…1
NORMAL = NormalDist()


@dataclass(frozen=True)
class Combination:
    """An estimator of a sum of rates, each times its factor, under the same weights."""

    rates: tuple[Estimator, ...]
    factors: tuple[float, ...]

    def __call__(self, weights: WeightArray | None) -> float | FloatArray:
        return sum(factor * rate(weights) for rate, factor in zip(self.rates, self.factors, strict=True))


def difference(first: Estimator, second: Estimator) -> Combination:
    """An estimator of `first` minus `second`, in −1…1."""
    return Combination((first, second), DIFFERENCE)


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds of its confidence interval, in the unit of the value."""

    value: float
    low: float
    high: float

    def named(self, metric: str) -> dict[str, Any]:
        """Key the value by the metric's name, the bounds by the name with `_ci_low` and `_ci_high` behind it.

        None stands for NaN: what could not be measured.
        """
        numbers = {metric: self.value, f"{metric}_ci_low": self.low, f"{metric}_ci_high": self.high}
        return {name: None if math.isnan(number) else number for name, number in numbers.items()}


NOT_MEASURABLE = Interval(math.nan, math.nan, math.nan)


def wilson_interval(rate: float, trials: float, level: float) -> Interval:
    """A rate in 0…1 with Wilson's score interval, from trials (a real number) that do not depend on each other."""
    z = NORMAL.inv_cdf((1 + level) / 2)
    shrunk = z**2 / trials
    center = (rate + shrunk / 2) / (1 + shrunk)
    half = z / (1 + shrunk) * math.sqrt(rate * (1 - rate) / trials + z**2 / (2 * trials) ** 2)
    return Interval(rate, max(0.0, center - half), min(1.0, center + half))


def rate_interval(rate: float, resampled: FloatArray, people: int, level: float) -> Interval:
    """Enclose a rate or an AUC, in 0…1, at least as widely as `people` people can show it.

    The percentile interval of the resampled values (resamples,), or Wilson's if that is wider. Its number of trials
    is the one by which a share would spread as the resampled values do, r(1 − r) / variance: so images of a person
    count the less, the more they agree. Towards 0 and 1 the resamples stop spreading, not because the rate is known
    but because nobody in the sample shows the rarer outcome. By the probability of that, max(r, 1 − r) to the power of
    `people`, their variance is replaced by that of as many independent trials as there are people in the smaller
    class, which no AUC exceeds, however its errors are distributed (Birnbaum and Klose, 1957).
    """
    variance = _variance(resampled, people)
    trials, binomial = float(people), rate * (1 - rate)
    if binomial > 0 and variance > 0:
        unseen = max(rate, 1 - rate) ** people
        trials = binomial / ((1 - unseen) * variance + unseen * binomial / people)
    return enclosing(percentile_interval(rate, resampled, level), wilson_interval(rate, trials, level))


def combined_interval(
    rates: FloatArray, resampled: FloatArray, factors: tuple[float, ...], people: int, level: float
) -> Interval:
    """Enclose the sum of rates (rates,), each times its factor, from values (rates, resamples) under the same weights.

    The percentile interval of their sums, or the normal one if that is wider, to which is added how much farther the
    interval of each rate reaches than its resamples do, squares being summed as if independent (Zou and Donner, Stat.
    Med. 27, 2008): next to nothing in the middle, if pairing makes a difference known far better than its rates, and
    all there is towards 0 and 1.
    """
    value = float(np.dot(factors, rates))
    sums = np.asarray(factors) @ resampled
    together = percentile_interval(value, sums, level)
    spread = NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(_variance(sums, people))
    below, above = [max(spread, value - together.low)], [max(spread, together.high - value)]
    for rate, values, factor in zip(rates, resampled, factors, strict=True):
        narrow = percentile_interval(float(rate), values, level)
        wide = rate_interval(float(rate), values, people, level)
        beyond = [abs(factor) * (narrow.low - wide.low), abs(factor) * (wide.high - narrow.high)]
        below.append(beyond[0 if factor > 0 else 1])
        above.append(beyond[1 if factor > 0 else 0])
    lowest, highest = (sum(factor for factor in factors if factor * sign > 0) for sign in (-1, 1))
    low, high = max(lowest, value - math.hypot(*below)), min(highest, value + math.hypot(*above))
    return enclosing(together, Interval(value, low, high))


def _variance(resampled: FloatArray, people: int) -> float:
    """What resamples of so many people estimate: they show n − 1 parts in n of it."""
    return float(np.var(resampled)) * people / max(1, people - 1)


def enclosing(interval: Interval, other: Interval) -> Interval:
    """`interval`, at least as wide as `other`."""
    return Interval(interval.value, min(interval.low, other.low), max(interval.high, other.high))


def fewest_people(identities: NDArray[Any], is_member: BoolArray) -> int:
    """Count the people of the class that has fewer."""
    return min(len(pd.unique(identities[rows])) for rows in (is_member, ~is_member))


def independent_difference(first: Interval, second: Interval) -> Interval:
    """`first` minus `second`, of independent samples, only from their intervals (Zou and Donner, Stat. Med. 27, 2008).

    If the samples depend on each other in the same direction, the interval is too wide.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def resampling_weights(identities: NDArray[Any], is_member: BoolArray, resamples: int, seed: int) -> NDArray[np.uint8]:
    """Draw bootstrap weights (resamples, n): how often each image's identity was drawn, with replacement.

    identities and is_member: (n,), one entry an image. People are drawn within three strata (only member images, only
    non-member images, both), so no resample loses a class and every stratum keeps its number of people. The
    weights of a person depend on the seed and on the set of people, not on the order of the images.
    Raises MetricError if an identity is missing or the shapes differ.
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

    If every resample gives the same value (AUC 1, no true positive at all), the width is 0: the sample then shows
    no variation to learn from, which is not certainty. Rates and what they combine to need `rate_interval` and
    `combined_interval`. Raises MetricError if a resampled value is not finite.
    """
    if broken := int((~np.isfinite(resampled)).sum()):
        raise MetricError(
            f"{broken} of {len(resampled)} resampled values are NaN or infinite, and an interval of the others would "
            "be too narrow. The metric is undefined for some resamples: more people are needed."
        )
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def bootstrap_intervals(
    estimators: Mapping[str, Estimator], blocks: Iterable[WeightArray], people: int | None, level: float
) -> dict[str, Interval]:
    """Measure several metrics of `people` people (the class that has fewer) under the same weights.

    An estimator gives one float for None and (rows,) values for a block of weights (rows, n). Rates and AUCs get a
    `rate_interval`, a `Combination` a `combined_interval`; what is NaN is `NOT_MEASURABLE`.
    Without a number of people, intervals show only the spread over resamples.
    """
    resampled: dict[str, list[FloatArray]] = {name: [] for name in estimators}
    for weights in blocks:
        for name, estimator in estimators.items():
            resampled[name].append(estimate_rates(estimator, weights))
    return {
        name: enclose(
            estimate_rates(estimator, None)[:, 0],
            np.concatenate(resampled[name], axis=1),
            factors_of(estimator),
            people,
            level,
        )
        for name, estimator in estimators.items()
    }


def estimate_rates(estimator: Estimator, weights: WeightArray | None) -> FloatArray:
    """The rate that is estimated, or those of a `Combination`: (rates, rows), one row without weights."""
    rates = estimator.rates if isinstance(estimator, Combination) else (estimator,)
    return np.array([np.atleast_1d(rate(weights)) for rate in rates], dtype=float)


def factors_of(estimator: Estimator) -> tuple[float, ...]:
    """What the rates of `estimate_rates` are multiplied by."""
    return estimator.factors if isinstance(estimator, Combination) else (1.0,)


def enclose(
    rates: FloatArray, resampled: FloatArray, factors: tuple[float, ...], people: int | None, level: float
) -> Interval:
    """The interval of one rate, or of several combined, as for `combined_interval`."""
    if np.isnan(rates).any():
        return NOT_MEASURABLE
    if people is None:
        return percentile_interval(float(np.dot(factors, rates)), np.asarray(factors) @ resampled, level)
    if len(rates) == 1:
        return rate_interval(float(rates[0]), resampled[0], people, level)
    return combined_interval(rates, resampled, factors, people, level)


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


def smallest_detectable_auc(standard_error: float, level: float = 0.95, power: float = 0.8) -> float:
    """Find the smallest AUC, in 0.5…1, whose interval would have excluded 0.5 with probability `power`.

    It is reported with "no evidence". An interval at `level` excludes 0.5 with probability `power` where the AUC lies
    (z_{(1+level)/2} + z_power) standard errors above it (Cohen, Statistical Power Analysis, 1988), the standard error
    being that of a sample without effect.

    standard_error: of the AUC, ≥ 0, from `standard_error_of_interval`. 1 means that this sample can show nothing with
    certainty. Raises MetricError if the standard error is negative or not finite, or level or power are no shares.
    """
    if not (np.isfinite(standard_error) and standard_error >= 0):
        raise MetricError(f"A standard error is a number ≥ 0, found {standard_error}. Look at the interval it is from.")
    if not (0 < level < 1 and 0 < power < 1):
        raise MetricError(f"Level {level} and power {power} must lie between 0 and 1: 80 % is 0.8.")
    needed = NORMAL.inv_cdf((1 + level) / 2) + NORMAL.inv_cdf(power)
    return float(np.clip(0.5 + needed * standard_error, 0.5, 1.0))


def smallest_detectable_share(people: int, chance: float, level: float = 0.95, power: float = 0.8) -> float:
    """Find the smallest true share, in `chance`…1, that so many people would have shown to be above `chance`.

    The exact one-sided binomial test at (1 − level) / 2 rejects `chance` with probability `power` there; in steps of
    0.001. 1 if no outcome of so few people rejects it. Raises MetricError if there is nobody, or chance, level or power
    are no shares.
    """
    from scipy.stats import binom

    if people < 1 or not all(0 < share < 1 for share in (chance, level, power)):
        raise MetricError(
            f"{people} people, chance {chance}, level {level} and power {power}: there has to be somebody, and the "
            "others must lie between 0 and 1, as 5 % is 0.05."
        )
    needed = int(binom.isf((1 - level) / 2, people, chance)) + 1
    if needed > people:
        return 1.0
    shares = np.arange(1, 1001) / 1000
    enough = shares[(shares >= chance) & (binom.sf(needed - 1, people, shares) >= power)]
    return float(enough[0])


def standard_error_of_interval(interval: Interval, level: float = 0.95) -> float:
    """Standard error of a value whose interval at `level` was measured, as if it were normal.

    Use the interval of a value near chance, the attack's own or the blind baseline's: near AUC 1 the spread vanishes.
    """
    return float((interval.high - interval.low) / (2 * NORMAL.inv_cdf((1 + level) / 2)))
