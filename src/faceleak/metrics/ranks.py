"""How far up does the person whom a face is meant to show stand, among members and controls, by all evaluators
together?

A match at a false-accept rate of 0.1 % cannot tell rank 2 of 260 people from rank 200: both are no match. The rank can,
wherever a search intends somebody.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.intervals import (
    Interval,
    enclose,
    enclosing,
    fewest_people,
    percentile_interval,
    resampling_weights,
)
from faceleak.metrics.matcher import Matcher, smallest_excess
from faceleak.metrics.membership import Numbers, named
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, WeightArray, auc

PLACES = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Of n faces: the rank (n,) of the person whom each intends, from 1; who that is (n,), and whether a member (n,).

    among: how many people are ranked.
    """

    values: FloatArray
    intended: NDArray[Any]
    is_member: BoolArray
    among: int

    def only(self, kept: BoolArray) -> "Ranks":
        """Those of some faces alone."""
        return Ranks(self.values[kept], self.intended[kept], self.is_member[kept], self.among)


def rank_intended(embeddings: Sequence[FloatArray], intended: NDArray[Any], matchers: Sequence[Matcher]) -> Ranks:
    """Rank the people of all galleries, members and controls, by the smallest excess over the evaluators' thresholds.

    embeddings: an evaluator's (n, d), one face each, for each of `judges`; intended: (n,), whom each face is meant to
    show. Faces of people who are in no gallery are left out. Of people who are as near, the intended one comes last.
    """
    galleries = [matcher.members.beside(matcher.controls) for matcher in matchers]
    among = galleries[0].identities
    kept = np.isin(intended, among)
    excess = smallest_excess([of[kept] for of in embeddings], galleries, [matcher.threshold for matcher in matchers])
    place = {identity: number for number, identity in enumerate(among.tolist())}
    columns = np.array([place[identity] for identity in intended[kept].tolist()], dtype=int)
    own = np.take_along_axis(excess, columns[:, None], axis=1)
    ranks = (excess >= own).sum(axis=1).astype(float)
    return Ranks(ranks, intended[kept], np.isin(intended[kept], matchers[0].members.identities), len(among))


def measure_ranks(ranks: Ranks, options: BootstrapOptions) -> Numbers:
    """`median_rank`; `cmc_at_1`, `_5` and `_10`, the shares in 0…1 with such a rank or a better one; `people_ranked`.

    By chance the share at k is k / people_ranked, and the median half of that number. Intervals resample the people
    who are intended, with all faces that intend them; none is narrower than so many people can show. Empty where there
    is no face.
    """
    if not len(ranks.values):
        return {}
    weights = resampling_weights(ranks.intended, np.ones(len(ranks.values), bool), options.resamples, options.seed)
    people = len(np.unique(ranks.intended))
    intervals = {"median_rank": _median_interval(ranks.values, weights, people, options.level)}
    for place in PLACES:
        within = (ranks.values <= place).astype(float)
        shares = weights @ within / weights.sum(axis=1)
        rate = np.array([within.mean()])
        intervals[f"cmc_at_{place}"] = enclose(rate, shares[None], (1.0,), people, options.level)
    return named(intervals) | {"people_ranked": ranks.among}


def measure_rank_auc(ranks: Ranks, options: BootstrapOptions) -> Numbers:
    """`rank_auc`: how often an intended member has a better rank than an intended control, ties counting half.

    0.5 where people who were trained on are shown no better than non-members treated alike. Intervals resample people.
    Empty where one of the two kinds is missing.
    """
    if ranks.is_member.all() or not ranks.is_member.any():
        return {}
    weights = resampling_weights(ranks.intended, ranks.is_member, options.resamples, options.seed)
    people, value = fewest_people(ranks.intended, ranks.is_member), np.array([auc(-ranks.values, ranks.is_member)])
    resampled = np.atleast_1d(auc(-ranks.values, ranks.is_member, weights))
    return enclose(value, resampled[None], (1.0,), people, options.level).named("rank_auc")


def _median_interval(values: FloatArray, weights: WeightArray, people: int, level: float) -> Interval:
    """The percentile interval, or the one between the ranks of so many people by the binomial where that is wider."""
    median = float(np.median(values))
    half = NormalDist().inv_cdf((1 + level) / 2) / (2 * math.sqrt(people))
    low, high = np.quantile(values, [max(0.0, 0.5 - half), min(1.0, 0.5 + half)])
    resampled = percentile_interval(median, _medians(values, weights), level)
    return enclosing(resampled, Interval(median, float(low), float(high)))


def _medians(values: FloatArray, weights: WeightArray) -> FloatArray:
    """Medians (resamples,) of values (n,), each counted as often as its weight says."""
    order = np.argsort(values, kind="stable")
    counted = np.cumsum(weights[:, order], axis=1, dtype=np.int64)
    half = counted[:, -1:] / 2
    low, high = values[order][(counted < half).sum(axis=1)], values[order][(counted <= half).sum(axis=1)]
    middle: FloatArray = (low + high) / 2
    return middle
