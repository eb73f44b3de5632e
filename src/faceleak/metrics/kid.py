"""Kernel inception distance (arXiv 1801.01401): how far a set of generated images is from a set of real ones.

It is the squared maximum mean discrepancy under the kernel k(x, y) = (x·y/d + 1)³ of features (n, d). The estimate is
unbiased: 0 on average where both sets come from one distribution, and then as often below 0 as above.

How far faces are from photographs of members, of control people and of non-members, taken as sets, is measured by
embeddings of an evaluator, scaled to length √d, so the kernel is (cosine + 1)³ whatever the evaluator. It tells
whether faces are like those of the people, all together; not who is recognized.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.intervals import Interval, percentile_interval
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray, MetricError
from faceleak.metrics.verification import normalize_rows

DEGREE = 3
CELLS_PER_BLOCK = 4_000_000  # of the kernel matrix, about 100 MB with all that is derived
FEWEST = 4  # images or people on each side, so that half of them still make a pair


def kid(
    samples: FloatArray,
    reference: FloatArray,
    options: BootstrapOptions,
    sample_people: NDArray[Any] | None = None,
    reference_people: NDArray[Any] | None = None,
) -> Interval:
    """Measure the distance of `samples` (n, d) from `reference` (m, d), with its interval.

    The features decide what is compared: normalize them or not, but both alike. If several rows show one person,
    `sample_people` (n,) and `reference_people` (m,) say who it is: pairs of one person resemble each other more than
    draws of a distribution do and are left out, as the pairs of an image with itself are.

    The interval is that of half-sampling: half of the people of each side are drawn without replacement, and their
    distance deviates from the whole one as that one does from the truth (subsampling of half of the data, if no
    scaling is left to do; Politis and Romano, Annals of Statistics 22, 1994). If both sets come from one
    distribution the interval is wider than it needs to be. Memory grows with n + m, not with their product.

    Raises MetricError if a feature is not finite, the sides differ in d, or one has fewer than four people.
    """
    return Reference(reference, options, reference_people).distance(samples, sample_people)


class Reference:
    """Real images that several sets are compared with, by `kid`: what depends only on them is computed once."""

    def __init__(self, features: FloatArray, options: BootstrapOptions, people: NDArray[Any] | None = None) -> None:
        self.features, self.options = features, options
        self._side = _Side(features, people, options.resamples, np.random.default_rng([options.seed, 0]))

    @cached_property
    def _within(self) -> NDArray[np.float64]:
        return _mean_within(self._side)

    def distance(self, samples: FloatArray, people: NDArray[Any] | None = None) -> Interval:
        """Measure the distance of `samples` (n, d), which show `people` (n,), from these images. Raises MetricError."""
        _check(samples, self.features)
        side = _Side(samples, people, self.options.resamples, np.random.default_rng([self.options.seed, 1]))
        distances = self._within + _mean_within(side) - 2 * _mean_between(side, self._side)
        return percentile_interval(float(distances[0]), distances[1:], self.options.level)


def on_sphere(embeddings: FloatArray) -> NDArray[np.float64]:
    """Scale embeddings (n, d) to length √d, so x·y/d is their cosine. Raises MetricError if one is zero."""
    return normalize_rows(embeddings) * math.sqrt(embeddings.shape[1])


def polynomial_kernel(first: FloatArray, second: FloatArray) -> NDArray[np.float64]:
    """k(x, y) = (x·y/d + 1)³ of the rows of features (n, d) and (m, d): (n, m)."""
    kernel: NDArray[np.float64] = (first @ second.T / first.shape[1] + 1) ** DEGREE
    return kernel


class _Side:
    """Features in double precision, whom each row shows, and which rows are drawn (draws + 1, n): first of all, all."""

    def __init__(self, features: FloatArray, people: NDArray[Any] | None, draws: int, random: np.random.Generator):
        self.features = features.astype(np.float64)
        shown = np.arange(len(features)) if people is None else people
        if len(shown) != len(features):
            raise MetricError(f"{len(features)} features and {len(shown)} people do not belong together.")
        names, self.people = np.unique(shown, return_inverse=True)
        if len(names) < FEWEST:
            raise MetricError(
                f"{len(names)} people on one side are too few for a distance with an interval: take at least {FEWEST}."
            )
        half = len(names) // 2
        drawn = np.zeros((draws + 1, len(names)))
        drawn[0] = 1
        for row in drawn[1:]:
            row[random.permutation(len(names))[:half]] = 1
        self.drawn = drawn[:, self.people]

    def blocks(self, columns: int) -> Iterator[slice]:
        rows = max(1, CELLS_PER_BLOCK // columns)
        return (slice(start, start + rows) for start in range(0, len(self.features), rows))


def _mean_within(side: _Side) -> NDArray[np.float64]:
    """Mean kernel of pairs of different people in each draw (draws + 1,)."""
    total = np.zeros(len(side.drawn))
    pairs = np.zeros(len(side.drawn))
    for block in side.blocks(len(side.features)):
        different = side.people[block, None] != side.people
        kernel = polynomial_kernel(side.features[block], side.features) * different
        total += ((side.drawn[:, block] @ kernel) * side.drawn).sum(1)
        pairs += ((side.drawn[:, block] @ different) * side.drawn).sum(1)
    return total / pairs


def _mean_between(first: _Side, second: _Side) -> NDArray[np.float64]:
    """Mean kernel of all pairs across the sides in each draw (draws + 1,)."""
    total = np.zeros(len(first.drawn))
    for block in first.blocks(len(second.features)):
        kernel = polynomial_kernel(first.features[block], second.features)
        total += ((first.drawn[:, block] @ kernel) * second.drawn).sum(1)
    pairs: NDArray[np.float64] = first.drawn.sum(1) * second.drawn.sum(1)
    return total / pairs


def _check(samples: FloatArray, reference: FloatArray) -> None:
    if samples.ndim != 2 or reference.ndim != 2 or samples.shape[1] != reference.shape[1]:
        raise MetricError(
            f"Features of shape {samples.shape} and {reference.shape} cannot be compared: both must be (n, d), made by "
            "the same network."
        )
    if broken := int((~np.isfinite(samples)).any(1).sum() + (~np.isfinite(reference)).any(1).sum()):
        raise MetricError(f"{broken} images have features that are NaN or infinite. Look where they were made.")


PHOTOGRAPHS = {"members": "same_identity", "controls": "unseen_identity", "public": "public"}
LARGEST = 2000  # photographs of a kind: the distance takes all pairs of them


def photograph_sets(people: pd.DataFrame, options: BootstrapOptions) -> dict[str, Reference]:
    """Sets of photographs by kind; `people`: identity, role and an evaluator's embedding, a row an image.

    Members are shown by images that the target was not trained on: an evaluator that is trained here learnt those, and
    the controls' images, so it knows both alike. Of more than 2,000 images those taken are spread evenly over the
    people. A kind with fewer than four people is left out.
    """
    sets = {}
    for kind, role in PHOTOGRAPHS.items():
        images = people[people["role"] == role].sort_values("identity", kind="stable")
        images = images.iloc[np.linspace(0, len(images) - 1, min(len(images), LARGEST)).round().astype(int)]
        if images["identity"].nunique() >= FEWEST:
            features = on_sphere(np.stack(images["embedding"].to_list()))
            sets[kind] = Reference(features, options, images["identity"].to_numpy())
    return sets


def measure_kid(embeddings: FloatArray, sets: Mapping[str, Reference]) -> dict[str, float]:
    """Measure `kid_to_<kind>` for faces (n, d) by the same evaluator, with intervals; nothing below four faces.

    Each face counts as a draw of its own: a search that ends in few people is far from the many of a set.
    """
    if len(embeddings) < FEWEST:
        return {}
    faces = on_sphere(embeddings)
    measured = {kind: photographs.distance(faces).named(f"kid_to_{kind}") for kind, photographs in sets.items()}
    return {name: value for named in measured.values() for name, value in named.items()}
