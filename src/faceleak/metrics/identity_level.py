"""Membership of a person: image scores are aggregated to one score a person, then measured over people.

A person is a member when the target was trained on at least one of their images. Two settings ask for it: with the
images that the target was trained on (`identity`), and by an attacker who holds other images of the same people only
(`identity_other_images`; the user-level setting of arXiv 2203.02077), both against the same unseen people.
"""

from typing import get_args

import numpy as np
import pandas as pd

from faceleak.common.options import Aggregation
from faceleak.metrics.membership import (
    BLIND_COLUMNS,
    MEMBER,
    Numbers,
    aligned,
    check_populations,
    check_table,
    measure_rows,
    rows_of,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError

IMAGE_COLUMNS = ("image_id", "identity", "population", "is_member", "score")
SETTINGS = {"identity": MEMBER, "identity_other_images": "same_identity"}  # setting → images that show member people
OTHER_IMAGES = ("other_images_score", "other_images_says_member")


def aggregate(scores: pd.DataFrame, how: Aggregation) -> pd.DataFrame:
    """Aggregate one attack's image scores to one row a person and setting.

    scores: one row an image with image_id, identity, population (`member`, `same_identity`, `unseen_identity`),
    is_member and score (higher says member); for the second setting also other_images_score, the score as it is where
    nothing that the target was trained on was looked at, empty for images that do not belong there.
    how: `mean` and `median` of a person's images; `max`, which grows with the number of images, so compare people
    with equally many; `log_sum_exp`, a soft maximum from which log n is subtracted, log(Σ exp(score) / n): equal
    scores keep their value however many they are, so people with more images have no advantage. It depends on the
    unit of the scores: below 1 apart it is nearly the mean, far above 1 apart nearly max − log n.

    Returns columns identity, population (the setting, `identity` or `identity_other_images`; the latter only if
    there are other_images_score of `same_identity` images), is_member, score and images (how many were aggregated).
    Unseen people appear in both settings.

    Raises MetricError if the table is not one of `measure_membership`, holds no unseen people or an aggregation
    is unknown.
    """
    check_table(scores, IMAGE_COLUMNS, "scores")
    check_populations(scores)
    if not (scores["population"] == "unseen_identity").any():
        raise MetricError(
            "The scores hold no unseen people, and people who are all members cannot be told apart. "
            "Score images of `unseen_identity` as well."
        )
    parts = []
    for setting, shown in SETTINGS.items():
        images = _images_of(scores, setting)
        members = images["population"] == shown
        if members.any():
            people = [_by_person(images[members], how), _by_person(images[~members], how)]
            is_member = [True, False]
            parts += [p.assign(is_member=m, population=setting) for p, m in zip(people, is_member, strict=True)]
    return pd.concat(parts, ignore_index=True)[["identity", "population", "is_member", "score", "images"]]


def is_shown(scores: pd.DataFrame, setting: str) -> bool:
    """Whether the scores hold member people in this setting."""
    return bool((_images_of(scores, setting)["population"] == SETTINGS[setting]).any())


def people_as_images(scores: pd.DataFrame, setting: str, how: Aggregation) -> pd.DataFrame:
    """One setting's people in the form of an image table, for the metrics of images.

    scores: the columns of `measure_membership` and any others that are the same in all rows. A person's image_id is
    their identity; the population is `member` or `unseen_identity`; says_member is the vote of their images.
    """
    shown = _images_of(scores, setting)
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
) -> dict[str, Numbers]:
    """Measure how well one attack tells people in the training set from unseen people.

    scores: as for `aggregate`; blind: the blind baseline's scores of the same images (image_id, is_member, score),
    which are aggregated in the same way; its other_images_score if the attack has such.

    Returns setting → the metrics of `measure_membership`, without `asr`, of people: `members` and `non_members` are
    numbers of people, and the rate at 1 % needs 199 unseen people.

    Raises MetricError as `aggregate` does, if a score is not finite, a class holds one person only, or the baseline
    scored other images.
    """
    people = aggregate(scores, how)
    baseline = None
    if blind is not None:
        check_table(blind, BLIND_COLUMNS, "blind scores")
        baseline = aggregate(_with_scores_of(blind, scores), how)  # the same people in the same order
    results = {}
    for setting in people["population"].unique():
        chosen = (people["population"] == setting).to_numpy(bool)
        rows = rows_of(people[chosen], None if baseline is None else baseline[chosen])
        results[str(setting)] = measure_rows(*rows, options)
    return results


def _images_of(scores: pd.DataFrame, setting: str) -> pd.DataFrame:
    """The images that a setting shows, with its scores."""
    images = scores[scores["population"].isin([SETTINGS[setting], "unseen_identity"])]
    if setting == "identity":
        return images
    if OTHER_IMAGES[0] not in images:
        return images.head(0)
    images = images[images[OTHER_IMAGES[0]].notna()]
    own = dict(zip(OTHER_IMAGES, ("score", "says_member"), strict=True))
    return images.drop(columns=["score", "says_member"], errors="ignore").rename(columns=own)


def _with_scores_of(blind: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    baseline = aligned(blind, scores)
    table = scores.assign(score=baseline["score"].to_numpy(float))
    if not is_shown(scores, "identity_other_images"):
        return table
    column = OTHER_IMAGES[0]
    own = baseline[column].to_numpy(float) if column in baseline else np.full(len(baseline), np.nan)
    needed = scores[column].notna().to_numpy(bool)
    if lacking := int(np.isnan(own[needed]).sum()):
        raise MetricError(
            f"The blind baseline has no {column} for {lacking} of {int(needed.sum())} images for which the attack has "
            "one, so that they cannot be compared there. Score both on the same images."
        )
    return table.assign(**{column: np.where(needed, own, np.nan)})


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
