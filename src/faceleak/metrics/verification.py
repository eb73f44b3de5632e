"""Verification: how well the cosine of two embeddings tells pairs of one person from pairs of two people.

A pair of one person is *genuine*, a pair of two people an *impostor* pair; a pair is accepted if
similarity >= threshold. TAR and FAR are the shares of accepted genuine and impostor pairs.

Accuracy is that of LFW's protocol (Huang et al., Technical Report 07-49, 2007, View 2): ten folds of 300 genuine and
300 impostor pairs; the threshold of a fold is the one that is best on all others.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.intervals import (
    Estimator,
    Interval,
    bootstrap_intervals,
    difference,
    enclosing,
    rows_per_block,
    weight_blocks,
    wilson_interval,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, auc, check_scores, roc_curve, tpr_at_fpr

IndexArray = NDArray[np.intp]

MINIMUM_PEOPLE = 10  # with fewer, some resample may draw one person only and have no impostor pair
_PAIRS_PER_BLOCK = 65_536
_ROUNDING = 1e-9
CONSTANT = 1e-4


def verification_metrics(same_person: BoolArray, similarity: FloatArray) -> dict[str, float | None]:
    """Return `verification_auc` and `tar_at_far_0.1pct`, both in 0…1, of pairs (pairs,).

    TAR is conservative, as `tpr_at_fpr` explains: below 1999 impostor pairs it is None.
    Raises MetricError if a similarity is not finite or one kind of pair is missing.
    """
    check_kinds(same_person)
    tar = tpr_at_fpr(similarity, same_person, 0.001)
    return {
        "verification_auc": auc(similarity, same_person),
        "tar_at_far_0.1pct": None if math.isnan(tar) else tar,
    }


def embedding_metrics(embeddings: FloatArray) -> dict[str, float]:
    """Return how much embeddings (n, d) differ from face to face.

    `embedding_spread`: root mean square distance from their mean, relative to their length; 0 if all are the same.
    `constant_dimensions`: share of the d numbers that vary by less than 1e-4 of what they would if all varied alike.
    """
    rows = embeddings.astype(np.float64)
    length = np.sqrt((rows**2).sum(axis=1).mean())
    variances = rows.var(axis=0)
    constant = np.sqrt(variances) <= CONSTANT * max(length, np.finfo(float).tiny) / np.sqrt(rows.shape[1])
    spread = np.sqrt(variances.sum()) / length if length > 0 else 0.0
    return {"embedding_spread": float(spread), "constant_dimensions": float(constant.mean())}


def verification_auc_interval(
    same_person: BoolArray,
    similarity: FloatArray,
    first_identities: NDArray[Any],
    second_identities: NDArray[Any],
    options: BootstrapOptions,
) -> Interval:
    """Enclose `verification_auc` by resampling people; all arrays are (pairs,).

    Two people drawn k and l times give k·l impostor pairs. A genuine pair counts k times, not k²: two copies of a
    drawn person stand for two people. People with and without genuine pairs are drawn apart, so both kinds stay.
    Raises MetricError as `verification_metrics` does, and below ten people.
    """
    pairs = _PairResampling(same_person, first_identities, second_identities)
    return pairs.intervals({"auc": pairs.auc(similarity)}, options)["auc"]


def verification_auc_differences(
    same_person: BoolArray,
    similarity: FloatArray,
    others: Mapping[str, FloatArray],
    first_identities: NDArray[Any],
    second_identities: NDArray[Any],
    options: BootstrapOptions,
) -> dict[str, Interval]:
    """Enclose `verification_auc` by each of `others` minus that by `similarity`, on the same pairs and resamples.

    Above 0, the other tells people apart better. The two ways see the same pairs through one network, and the interval
    is only that of resamples: it is to find a wrong way, for which a dozen people suffice. Arrays and errors as for
    `verification_auc_interval`.
    """
    pairs = _PairResampling(same_person, first_identities, second_identities)
    own = pairs.auc(similarity)
    estimators = {name: difference(pairs.auc(values), own) for name, values in others.items()}
    return bootstrap_intervals(estimators, pairs.weights(options), None, options.level)


class _PairResampling:
    """Pairs weighed by how often their people are drawn."""

    def __init__(self, same_person: BoolArray, first_identities: NDArray[Any], second_identities: NDArray[Any]) -> None:
        check_kinds(same_person)
        both = np.concatenate([first_identities, second_identities])
        self.same_person = same_person
        self.people, codes = np.unique(both, return_inverse=True)
        if len(self.people) < MINIMUM_PEOPLE:
            raise MetricError(
                f"The pairs show {len(self.people)} people, too few for an interval over people. "
                f"Verify on at least {MINIMUM_PEOPLE}."
            )
        self.first, self.second = np.split(codes, 2)
        self.has_genuine = np.isin(np.arange(len(self.people)), self.first[self.same_person])

    def intervals(self, estimators: Mapping[str, Estimator], options: BootstrapOptions) -> dict[str, Interval]:
        """By people with genuine pairs, who are the fewer ones."""
        return bootstrap_intervals(estimators, self.weights(options), int(self.has_genuine.sum()), options.level)

    def weights(self, options: BootstrapOptions) -> Iterator[NDArray[np.uint16]]:
        """Blocks of weights (rows, pairs)."""
        rows = rows_per_block(len(self.same_person))
        for counts in weight_blocks(self.people, self.has_genuine, options.resamples, options.seed, rows):
            drawn = counts.astype(np.uint16)
            partners = np.where(self.same_person, 1, drawn[:, self.second])
            yield drawn[:, self.first] * partners.astype(np.uint16)

    def auc(self, similarity: FloatArray) -> Estimator:
        return lambda weights: auc(similarity, self.same_person, weights)


def normalize_rows(embeddings: FloatArray) -> NDArray[np.float64]:
    """Scale embeddings (n, d) to length 1, in double precision.

    Raises MetricError if an embedding is not finite or zero and so has no direction.
    """
    if embeddings.ndim != 2:
        raise MetricError(f"Embeddings must be (n, d), one row an image, found {embeddings.shape}.")
    rows = embeddings.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if broken := int((~(np.isfinite(lengths) & (lengths > 0))).sum()):
        raise MetricError(
            f"{broken} of {len(rows)} embeddings are zero, NaN or infinite, so they have no direction to compare. "
            "Look for blank images or an overflow (half precision) where they were made."
        )
    unit: NDArray[np.float64] = rows / lengths
    return unit


def sample_pairs(identities: NDArray[Any], maximum_pairs: int, seed: int) -> tuple[IndexArray, IndexArray]:
    """Choose at most `maximum_pairs` different pairs of n images; return the indices (pairs,), first < second.

    All pairs if they fit. Else all genuine pairs, as long as they take at most half of the room (or impostor pairs
    leave more), and impostor pairs in the rest; what does not fit is sampled uniformly, without replacement. Memory
    grows with n and maximum_pairs, never with n². Raises MetricError if there is no room for one pair of each kind.
    """
    if maximum_pairs < 2:
        raise MetricError(f"{maximum_pairs} pairs cannot hold a genuine and an impostor pair. Allow at least 2.")
    codes = np.unique(identities, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")  # images of one person side by side
    images = np.arange(len(order))
    person_begins = np.searchsorted(codes[order], codes[order])  # position of the person's first image
    partners = images - person_begins  # each image is paired with those of the same person before it …
    genuine_pairs, impostor_pairs = int(partners.sum()), int(person_begins.sum())  # … and with all earlier people's

    genuine_room = min(genuine_pairs, max(maximum_pairs // 2, maximum_pairs - impostor_pairs))
    impostor_room = min(impostor_pairs, maximum_pairs - genuine_room)
    generator = np.random.default_rng(seed)
    later, earlier = np.concatenate(
        [
            _unrank(_distinct(genuine_pairs, genuine_room, generator), partners, person_begins),
            _unrank(_distinct(impostor_pairs, impostor_room, generator), person_begins, np.zeros_like(images)),
        ],
        axis=1,
    )
    first, second = np.sort([order[later], order[earlier]], axis=0)
    return first, second


def cosine_similarities(embeddings: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
    """Cosine in −1…1 of the chosen pairs (pairs,) of embeddings (n, d); memory grows with n and the pairs only."""
    unit = normalize_rows(embeddings)
    similarity = np.empty(len(first))
    for start in range(0, len(first), _PAIRS_PER_BLOCK):
        block = slice(start, start + _PAIRS_PER_BLOCK)
        similarity[block] = np.einsum("pd,pd->p", unit[first[block]], unit[second[block]])
    return similarity


def threshold_at_far(impostor_similarity: FloatArray, far: float) -> float:
    """Find the smallest threshold that accepts (similarity >= threshold) at most the share `far` of impostor pairs.

    It lies one representable number above the first similarity that may not be accepted, in the precision of the
    array: compare with similarities of the same precision. Raises MetricError if a similarity is not finite, `far`
    is not between 0 and 1, or there are fewer than 1/far pairs, which say nothing about so small a rate.
    """
    if not 0 < far < 1:
        raise MetricError(
            f"A false-accept rate of {far} was asked for, but it must lie between 0 and 1: 0.1 % is 0.001."
        )
    pairs = len(impostor_similarity)
    accepted = int(far * pairs * (1 + _ROUNDING))
    if accepted < 1:
        raise MetricError(
            f"{pairs} impostor pairs cannot show a false-accept rate of {far:g}: at least {int(np.ceil(1 / far))} are "
            "needed. Compare more people, or ask for a higher rate."
        )
    if broken := int((~np.isfinite(impostor_similarity)).sum()):
        raise MetricError(f"{broken} of {pairs} impostor similarities are NaN or infinite. Look where they were made.")
    rank = pairs - 1 - accepted
    limiting = np.partition(impostor_similarity, rank)[rank]  # the largest similarity that is one too many
    return float(np.nextafter(limiting, limiting.dtype.type(np.inf)))


def check_kinds(same_person: BoolArray) -> None:
    genuine = int(same_person.sum())
    if genuine in (0, len(same_person)):
        raise MetricError(
            f"Found {genuine} genuine and {len(same_person) - genuine} impostor pairs, but verification compares the "
            "two kinds. Take at least two people, one of them with two images."
        )


def _distinct(population: int, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw `size` different numbers below `population`, ascending; memory grows with `size`."""
    if population <= 2 * size:
        return np.sort(generator.permutation(population)[:size])
    chosen = np.empty(0, np.int64)
    while len(chosen) < size:  # draws until enough differ: every set is equally likely
        chosen = np.union1d(chosen, generator.integers(population, size=size - len(chosen)))
    return chosen


def _unrank(ranks: NDArray[np.int64], partners: IndexArray, first_partner: IndexArray) -> NDArray[np.int64]:
    """Find both positions (2, pairs) of the pairs of these ranks; each image in turn brings `partners` pairs."""
    ends = np.cumsum(partners)
    later = np.searchsorted(ends, ranks, side="right")
    return np.stack([later, first_partner[later] + ranks - (ends - partners)[later]])


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
    Raises MetricError with fewer than two folds, if a fold lacks one kind of pair or a similarity is not finite.
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
