"""Metrics of faces that were made from one embedding or image: are they accepted, and do they tell members apart?

Success of template inversion is in the terms of ISO/IEC 30136: how often a face made from a template is accepted. Type
1: accepted for the very image that the template was made of; type 2: for another image of the same person. From
one image of a person: are members told from non-members, and do faces come nearer to the training photos?
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from faceleak.metrics.intervals import (
    DIFFERENCE,
    Interval,
    enclose,
    percentile_interval,
    rate_interval,
    resampling_weights,
)
from faceleak.metrics.membership import Numbers, named
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, WeightArray, auc
from faceleak.metrics.verification import IndexArray, normalize_rows, threshold_at_far


def pair_threshold(non_members: FloatArray, people: FloatArray, far: float) -> float:
    """Find the cosine that at most the share `far` of pairs of images (non-members (n, d), people (m, d)) reaches.

    The non-members are none of the people. Raises MetricError below 1/far pairs.
    """
    return threshold_at_far((normalize_rows(non_members) @ normalize_rows(people).T).ravel(), far)


def accepted(
    faces: Mapping[str, FloatArray], images: Mapping[str, FloatArray], thresholds: Mapping[str, float]
) -> BoolArray:
    """Whether every evaluator takes face i and image i for one person at its threshold; evaluator → (n, d)."""
    verdicts = [
        (normalize_rows(faces[name]) * normalize_rows(images[name])).sum(axis=1) >= threshold
        for name, threshold in thresholds.items()
    ]
    together: BoolArray = np.logical_and.reduce(verdicts)
    return together


def success_rates(type_1: BoolArray, type_2: BoolArray, options: BootstrapOptions) -> dict[str, float]:
    """`type_1_success_rate` and `type_2_success_rate` in 0…1 of people (n,), with intervals over people."""
    people = np.arange(len(type_1))
    weights = resampling_weights(people, np.ones(len(people), bool), options.resamples, options.seed)
    rates: dict[str, float] = {}
    for name, successes in (("type_1_success_rate", type_1), ("type_2_success_rate", type_2)):
        resampled = weights @ successes.astype(float) / len(people)
        rates |= rate_interval(float(successes.mean()), resampled, len(people), options.level).named(name)
    return rates


def choose_images(people: pd.DataFrame, role: str, count: int, seed: int) -> pd.DataFrame:
    """Draw `count` people (or all) with two images in this role: identity, template_image and other_image.

    people: image_id, identity, role. Raises nothing: if too few have two images, there are fewer rows.
    """
    rows = people[people["role"] == role].sort_values("image_id").sample(frac=1, random_state=seed)
    several = rows[rows.groupby("identity")["image_id"].transform("size") > 1]
    place = several.groupby("identity").cumcount()
    first, second = (several[place == number].set_index("identity")["image_id"] for number in (0, 1))
    chosen = pd.DataFrame({"template_image": first, "other_image": second.reindex(first.index)}).reset_index()
    return chosen.head(count)


MATCH_RATE = "match_rate"  # a share of people, which a likeness is not


def likeness_to_photos(
    faces: Mapping[str, FloatArray],
    photos: Mapping[str, FloatArray],
    owner: IndexArray,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """How alike each of n faces is to its person's photos: `likeness`, a mean cosine, and `match_rate`, a share in 0…1.

    faces: evaluator → (n, d); photos: evaluator → (m, d), photo j being of person owner[j] in 0…n − 1, one of each at
    least. Cosines are means over the evaluators; a photo matches if every evaluator reaches its threshold.
    """
    cosines = {
        name: (normalize_rows(faces[name])[owner] * normalize_rows(photos[name])).sum(axis=1) for name in thresholds
    }
    matches = np.logical_and.reduce([cosines[name] >= threshold for name, threshold in thresholds.items()])
    by_photo = pd.DataFrame({"likeness": np.mean(list(cosines.values()), axis=0), MATCH_RATE: matches.astype(float)})
    means: pd.DataFrame = by_photo.groupby(owner).mean()
    return means


def measure_means(values: pd.DataFrame, options: BootstrapOptions) -> Numbers:
    """The mean of each column over people, one a row, with intervals that resample them."""
    return _measure([values], [_weights(np.ones(len(values), bool), options)], options)


def measure_gains(first: pd.DataFrame, second: pd.DataFrame, options: BootstrapOptions) -> Numbers:
    """The mean of each column of `first` less that of `second`, of the same people in the same order."""
    weights = _weights(np.ones(len(first), bool), options)
    return _measure([first, second], [weights, weights], options)


def measure_difference(first: pd.DataFrame, second: pd.DataFrame, options: BootstrapOptions) -> Numbers:
    """The mean of each column over people of one group less that over people of another; both groups are resampled."""
    is_first = np.repeat([True, False], [len(first), len(second)])
    weights = _weights(is_first, options)
    return _measure([first, second], [weights[:, is_first], weights[:, ~is_first]], options)


def measure_verdict(scores: FloatArray, is_member: BoolArray, options: BootstrapOptions) -> Numbers:
    """How well a score (n,) of n people tells members from non-members: `auc`, with an interval over people."""
    resampled = auc(scores, is_member, _weights(is_member, options))
    people = int(min(is_member.sum(), (~is_member).sum()))
    return enclose(np.array([auc(scores, is_member)]), resampled[None], DIFFERENCE, people, options.level).named("auc")


def _weights(is_first: BoolArray, options: BootstrapOptions) -> WeightArray:
    return resampling_weights(np.arange(len(is_first)), is_first, options.resamples, options.seed)


def _measure(groups: Sequence[pd.DataFrame], weights: Sequence[WeightArray], options: BootstrapOptions) -> Numbers:
    """The mean of each column of the first group, less that of the second if there is one.

    Match rates are enclosed as rates, unless they are gains themselves, which may be negative.
    """
    intervals: dict[str, Interval] = {}
    for name in map(str, groups[0].columns):
        columns = [group[name].to_numpy(float) for group in groups]
        means = np.array([column.mean() for column in columns])
        resampled = np.array([w @ column / len(column) for w, column in zip(weights, columns, strict=True)])
        if name == MATCH_RATE and all((column >= 0).all() for column in columns):
            intervals[name] = enclose(means, resampled, DIFFERENCE, min(map(len, columns)), options.level)
        else:
            signs = np.array(DIFFERENCE[: len(means)])
            intervals[name] = percentile_interval(float(signs @ means), signs @ resampled, options.level)
    return named(intervals)
