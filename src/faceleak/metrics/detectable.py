"""The smallest effect that a sample could have shown: what stands beside "no evidence", so that it can be weighed.

An interval at `level` excludes 0.5 with probability `power` where the AUC lies (z_{(1+level)/2} + z_power) standard
errors above it (Cohen, Statistical Power Analysis, 1988), the standard error being that of a sample without effect.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.intervals import Interval
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, check_scores

NORMAL = NormalDist()


def smallest_detectable_auc(standard_error: float, level: float = 0.95, power: float = 0.8) -> float:
    """Find the smallest AUC, in 0.5…1, whose interval would have excluded 0.5 with probability `power`.

    standard_error: of the AUC, ≥ 0, from one of the functions below. 1 means that this sample can show nothing with
    certainty. Raises MetricError where the standard error is negative or not finite, or level or power are no shares.
    """
    if not (np.isfinite(standard_error) and standard_error >= 0):
        raise MetricError(f"A standard error is a number ≥ 0, found {standard_error}. Look at the interval it is from.")
    if not (0 < level < 1 and 0 < power < 1):
        raise MetricError(f"Level {level} and power {power} must lie between 0 and 1: 80 % is 0.8.")
    needed = NORMAL.inv_cdf((1 + level) / 2) + NORMAL.inv_cdf(power)
    return float(np.clip(0.5 + needed * standard_error, 0.5, 1.0))


def standard_error_of_interval(interval: Interval, level: float = 0.95) -> float:
    """Standard error of a value whose interval at `level` was measured, as if it were normal.

    Use the interval of a value near chance, the attack's own or the blind baseline's: near AUC 1 the spread vanishes.
    """
    return float((interval.high - interval.low) / (2 * NORMAL.inv_cdf((1 + level) / 2)))


def standard_error_of_people(members: int, non_members: int) -> float:
    """Standard error of an AUC of 0.5 over so many people with one score each (Mann-Whitney), to plan a sample.

    Several images a person make it smaller, the less their scores agree; it is the number of people that counts.
    Raises MetricError where a class is empty.
    """
    if min(members, non_members) < 1:
        raise MetricError(f"{members} members and {non_members} non-members: an AUC needs at least one of each.")
    return float(np.sqrt((members + non_members + 1) / (12 * members * non_members)))


def standard_error_without_effect(
    scores: FloatArray, identities: NDArray[Any], is_member: BoolArray, options: BootstrapOptions
) -> float:
    """Standard error of the AUC where nothing leaks: its spread over shuffled labels, `options.resamples` times.

    scores, identities and is_member: (n,), one entry an image. People who have one label only exchange it with
    each other, all of their images together; people with images of both kinds shuffle the labels of their own images.
    Where the attack does tell members, their images agree more than by chance, and the result is an upper bound.
    Raises MetricError where a score is not finite, an identity is missing or a class is missing.
    """
    check_scores(scores, is_member)
    codes = pd.factorize(identities, sort=True)[0]
    if len(codes) != len(scores) or (codes < 0).any():
        raise MetricError(
            f"{len(scores)} scores and {int((codes >= 0).sum())} identities do not belong together: every image needs "
            "its person, with whom its label is shuffled."
        )
    from scipy.stats import rankdata  # half a second, which who only reads verdicts need not wait

    ranks = rankdata(scores)
    generator = np.random.default_rng(options.seed)
    values = np.array([_auc(ranks, _shuffled(codes, is_member, generator)) for _ in range(options.resamples)])
    return float(values.std())


def _shuffled(codes: NDArray[np.intp], is_member: BoolArray, generator: np.random.Generator) -> BoolArray:
    share = np.bincount(codes, weights=is_member) / np.bincount(codes)
    pure = np.flatnonzero((share == 0) | (share == 1))
    share[pure] = share[generator.permutation(pure)]
    labels: BoolArray = share[codes] == 1
    mixed = np.flatnonzero((share[codes] > 0) & (share[codes] < 1))
    by_person = mixed[np.argsort(codes[mixed], kind="stable")]
    at_random = mixed[np.lexsort((generator.random(len(mixed)), codes[mixed]))]
    labels[by_person] = is_member[at_random]
    return labels


def _auc(ranks: FloatArray, is_member: BoolArray) -> float:
    members = int(is_member.sum())
    beaten = ranks[is_member].sum() - members * (members + 1) / 2
    return float(beaten / (members * (len(ranks) - members)))
