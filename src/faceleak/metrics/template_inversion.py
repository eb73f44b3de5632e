"""Success of template inversion in the terms of ISO/IEC 30136: how often a face made from a template is accepted.

Type 1: accepted beside the very image that the template was made of; type 2: beside another image of the same person.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from faceleak.metrics.intervals import rate_interval, resampling_weights
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray
from faceleak.metrics.verification import normalise_rows, threshold_at_far


def pair_threshold(strangers: FloatArray, people: FloatArray, far: float) -> float:
    """Find the cosine that at most the share `far` of pairs of images (strangers (n, d), people (m, d)) reaches.

    The strangers are none of the people. Raises MetricError below 1/far pairs.
    """
    return threshold_at_far((normalise_rows(strangers) @ normalise_rows(people).T).ravel(), far)


def accepted(
    faces: Mapping[str, FloatArray], images: Mapping[str, FloatArray], thresholds: Mapping[str, float]
) -> BoolArray:
    """Whether every evaluator accepts face i (n, d) beside image i (n, d) at its threshold; evaluator → embeddings."""
    verdicts = [
        (normalise_rows(faces[name]) * normalise_rows(images[name])).sum(axis=1) >= threshold
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

    people: image_id, identity, role. Raises nothing: where too few have two images, there are fewer rows.
    """
    rows = people[people["role"] == role].sort_values("image_id").sample(frac=1, random_state=seed)
    several = rows[rows.groupby("identity")["image_id"].transform("size") > 1]
    place = several.groupby("identity").cumcount()
    first, second = (several[place == number].set_index("identity")["image_id"] for number in (0, 1))
    chosen = pd.DataFrame({"template_image": first, "other_image": second.reindex(first.index)}).reset_index()
    return chosen.head(count)
