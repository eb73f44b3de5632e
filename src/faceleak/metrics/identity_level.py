"""Membership of a person: image scores are aggregated to one score a person, then measured over people.

A person is a member when the target was trained on at least one of their images. Two settings ask for it: with the
images that the target was trained on (`identity`), and with other images of the same people only
(`identity_other_images`; the user-level setting of arXiv 2203.02077), both against the same unseen people.
"""

from typing import get_args

import numpy as np
import pandas as pd

from faceleak.metrics.intervals import Estimator, bootstrap_intervals, weight_blocks
from faceleak.metrics.membership import (
    BLIND_COLUMNS,
    MEMBER,
    advantage,
    aligned,
    check_people,
    check_populations,
    check_table,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc, tpr_at_fpr
from faceleak.options import Aggregation

IMAGE_COLUMNS = ("image_id", "identity", "population", "is_member", "score")
SETTINGS = {"identity": MEMBER, "identity_other_images": "same_identity"}  # setting → images that show member people


def aggregate(scores: pd.DataFrame, how: Aggregation) -> pd.DataFrame:
    """Aggregate one attack's image scores to one row a person and setting.

    scores: one row an image with image_id, identity, population (`member`, `same_identity`, `unseen_identity`),
    is_member and score (higher says member).
    how: `mean` and `median` of a person's images; `max`, which grows with the number of images, so compare people
    with equally many; `log_sum_exp`, a soft maximum from which log n is subtracted, log(Σ exp(score) / n): equal
    scores keep their value however many they are, so people with more images have no advantage. It depends on the
    unit of the scores: below 1 apart it is nearly the mean, far above 1 apart nearly max − log n.

    Returns columns identity, population (the setting, `identity` or `identity_other_images`; the latter only where
    the scores hold `same_identity` images), is_member, score and images (how many were aggregated). Unseen people
    appear in both settings.

    Raises MetricError where the table is not one of `measure_membership`, holds no unseen people or an aggregation
    is unknown.
    """
    check_table(scores, IMAGE_COLUMNS, "scores")
    check_populations(scores)
    unseen = scores["population"] == "unseen_identity"
    if not unseen.any():
        raise MetricError(
            "The scores hold no unseen people, and people who are all members cannot be told apart. "
            "Score images of `unseen_identity` as well."
        )
    strangers = _by_person(scores[unseen], how).assign(is_member=False)
    parts = []
    for setting, shown in SETTINGS.items():
        images = scores["population"] == shown
        if images.any():
            members = _by_person(scores[images], how).assign(is_member=True)
            parts.append(pd.concat([members, strangers]).assign(population=setting))
    return pd.concat(parts, ignore_index=True)[["identity", "population", "is_member", "score", "images"]]


def people_as_images(scores: pd.DataFrame, setting: str, how: Aggregation) -> pd.DataFrame:
    """One setting's people in the form of an image table, so that people are measured as images are.

    scores: the columns of `measure_membership` and any others that are the same in all rows. A person's image_id is
    their identity; the population is `member` or `unseen_identity`; says_member is the vote of their images.
    """
    shown = scores[scores["population"].isin([SETTINGS[setting], "unseen_identity"])]
    people = aggregate(scores, how)
    people = people[people["population"] == setting]
    votes = shown.groupby("identity")["says_member"].mean()
    return people.assign(
        image_id=people["identity"],
        population=np.where(people["is_member"], MEMBER, "unseen_identity"),
        says_member=(people["identity"].map(votes) >= 0.5).to_numpy(bool),
    )


def measure_identities(
    scores: pd.DataFrame, blind: pd.DataFrame | None, how: Aggregation, options: BootstrapOptions
) -> dict[str, dict[str, float]]:
    """Measure how well one attack tells people in the training set from unseen people.

    scores: as for `aggregate`; blind: the blind baseline's scores of the same images (image_id, is_member, score),
    which are aggregated in the same way.

    Returns setting → metric → value: `auc`, `tpr_at_fpr_1pct` and `tpr_at_fpr_0.1pct` in 0…1 and, beside a blind
    baseline, `advantage_over_blind` in −1…1, each with `_ci_low` and `_ci_high` from resampled people; `members` and
    `non_members` are numbers of people. Below 100 unseen people the rate at 1 % is that of no false positive at all.

    Raises MetricError as `aggregate` does, where a score is not finite, a class holds one person only, or the baseline
    scored other images.
    """
    people = aggregate(scores, how)
    baseline = None
    if blind is not None:
        check_table(blind, BLIND_COLUMNS, "blind scores")
        blind_images = scores.assign(score=aligned(blind, scores)["score"].to_numpy(float))
        baseline = aggregate(blind_images, how)  # the same people in the same order
    results = {}
    for setting in people["population"].unique():
        chosen = (people["population"] == setting).to_numpy(bool)
        results[str(setting)] = _measure(people[chosen], None if baseline is None else baseline[chosen], options)
    return results


def _measure(people: pd.DataFrame, baseline: pd.DataFrame | None, options: BootstrapOptions) -> dict[str, float]:
    check_people(people)
    is_member = people["is_member"].to_numpy(bool)
    score = people["score"].to_numpy(float)
    estimators: dict[str, Estimator] = {
        "auc": lambda weights: auc(score, is_member, weights),
        "tpr_at_fpr_1pct": lambda weights: tpr_at_fpr(score, is_member, 0.01, weights),
        "tpr_at_fpr_0.1pct": lambda weights: tpr_at_fpr(score, is_member, 0.001, weights),
    }
    if baseline is not None:
        estimators["advantage_over_blind"] = advantage(score, baseline["score"].to_numpy(float), is_member)
    blocks = weight_blocks(people["identity"].to_numpy(), is_member, options.resamples, options.seed)
    intervals = bootstrap_intervals(estimators, blocks, options.level)
    result = {key: value for name, interval in intervals.items() for key, value in interval.named(name).items()}
    return result | {"members": int(is_member.sum()), "non_members": int((~is_member).sum())}


def _by_person(images: pd.DataFrame, how: Aggregation) -> pd.DataFrame:
    """One row a person, in sorted order: identity, score, images. A broken score makes its person's broken."""
    if how not in get_args(Aggregation):
        raise MetricError(f"Unknown aggregation {how!r}: choose one of {', '.join(get_args(Aggregation))}.")
    if broken := int((~np.isfinite(images["score"].to_numpy(float))).sum()):
        raise MetricError(
            f"{broken} of {len(images)} scores are NaN or infinite, so the people they show have no rank. "
            "Look for failed images or a diverged attack model where the scores were made; none is dropped here."
        )
    grouped = images.groupby("identity")["score"]
    if how == "log_sum_exp":
        peak = grouped.transform("max")
        relative = pd.Series(np.exp(images["score"] - peak), images.index).groupby(images["identity"]).mean()
        score = np.log(relative) + grouped.max()
    else:
        score = grouped.agg(how)
    return pd.DataFrame({"score": score, "images": grouped.size()}).reset_index()
