"""The risk of each image and of each person, over several targets: the worst case, not only the average.

An attack that fails on average may still be sure about some. Whether it is sure about *this* image must be judged by
the false-positive rate of this very image, from targets that were not trained on it: a rate pooled over images is too
low for some and too high for others (arXiv 2605.25819). The EDPB asks the question of each person (Opinion 28/2024).
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from faceleak.metrics.intervals import rate_interval, weight_blocks
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError

Unit = Literal["image", "identity"]

COLUMNS = ("target", "image_id", "identity", "is_member", "z", "p_value")
RATES = (0.01, 0.05, 0.1)


def risk_table(table: pd.DataFrame, unit: Unit = "image") -> pd.DataFrame:
    """Rank images, or people, by the evidence that targets remember them, over the targets that they were members of.

    table: one row a target and image with target, image_id, identity, is_member; z, the score standardized under the
    image's own non-member distribution; and p_value in 0…1, above 0, the image's own false-positive rate at its
    score. Targets must have been trained independently of each other.

    Returns, most exposed first: image_id (images only), identity, images (people only: how many were members),
    targets (how many had it as a member), risk (mean z: how many standard deviations it stands out as a member),
    p_value (Fisher's combination over the targets; a person's images in one target are first combined by Simes, which
    holds for images that resemble each other), q_value (Benjamini-Hochberg over all rows: among those with q ≤ 0.05,
    5 % are expected to be wrongly there) and rank, 1 first, by p_value and then risk; equal evidence has equal rank.

    Raises MetricError if a column is missing, a row occurs twice, a number is out of range or nothing was a member.
    """
    _check(table)
    if unit not in get_args(Unit):
        raise MetricError(f"Risk is told of each {' or '.join(get_args(Unit))}, not of each {unit!r}.")
    members = table[table["is_member"]]
    if members.empty:
        raise MetricError("No row is a member of any target, so there is no risk to rank. Score members as well.")
    keys = ["image_id", "identity"] if unit == "image" else ["identity"]
    by_target = _simes(members) if unit == "identity" else members
    grouped = members.groupby(keys)
    risks = pd.DataFrame({"targets": grouped["target"].nunique(), "risk": grouped["z"].mean()})
    if unit == "identity":
        risks.insert(0, "images", grouped["image_id"].nunique())
    statistic = -2 * np.log(by_target["p_value"]).groupby([by_target[key] for key in keys]).sum()
    risks["p_value"] = stats.chi2.sf(statistic, 2 * risks["targets"])
    risks["q_value"] = stats.false_discovery_control(risks["p_value"], method="bh")
    risks = risks.reset_index().sort_values(["p_value", "risk"], ascending=[True, False], kind="stable")
    first = ~risks.duplicated(["p_value", "risk"])
    risks["rank"] = np.maximum.accumulate(np.where(first, np.arange(1, len(risks) + 1), 0))
    return risks.reset_index(drop=True)


def calibration(table: pd.DataFrame, rates: Sequence[float] = RATES, confidence: float = 0.95) -> pd.DataFrame:
    """Check the p-values of non-members, of whom at most the share `rate` may have a p-value up to `rate`.

    table: as for `risk_table`. Returns one row a rate: rate, rows (non-members), share in 0…1 of them with a p-value
    up to it, share_ci_low and share_ci_high (`rate_interval` over people, whose rows are not independent) and exceeded
    (even the lower bound is above the rate: the risks claim too much).

    Raises MetricError as `risk_table` does, and where there are no non-members.
    """
    _check(table)
    non_members = table[~table["is_member"]]
    if non_members.empty:
        raise MetricError(
            "No row is a non-member, so nobody knows how often a false alarm occurs. Score images for targets that "
            "were not trained on them as well."
        )
    of_person = [rows.to_numpy(float) for _, rows in non_members.groupby("identity")["p_value"]]
    sizes = np.array([len(rows) for rows in of_person])
    hits = np.array([[(rows <= rate).sum() for rate in rates] for rows in of_person])
    people, options = len(sizes), BootstrapOptions(level=confidence)
    blocks = weight_blocks(np.arange(people), np.ones(people, bool), options.resamples, options.seed)
    resampled = np.concatenate([(drawn @ hits) / (drawn @ sizes)[:, None] for drawn in blocks])
    found = []
    for rate, share, of_rate in zip(rates, hits.sum(axis=0) / sizes.sum(), resampled.T, strict=True):
        interval = rate_interval(float(share), of_rate, people, confidence)
        numbers = {"rate": rate, "rows": len(non_members), **interval.named("share")}
        found.append(numbers | {"exceeded": interval.low > rate})
    return pd.DataFrame(found)


def _simes(members: pd.DataFrame) -> pd.DataFrame:
    """One p-value a person and target, from images that may depend on each other positively (Simes; Sarkar 1998)."""
    ordered = members.sort_values("p_value")
    images = ordered.groupby(["identity", "target"])["p_value"]
    scaled = ordered["p_value"] * images.transform("size") / (images.cumcount() + 1)
    return ordered.assign(p_value=scaled).groupby(["identity", "target"])["p_value"].min().reset_index()


def _check(table: pd.DataFrame) -> None:
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise MetricError(
            f"The table of calibrated scores lacks {', '.join(missing)}. It needs the columns {', '.join(COLUMNS)}, "
            "one row a target and image."
        )
    if not pd.api.types.is_bool_dtype(table["is_member"]):
        raise MetricError(f"`is_member` must be True or False, found {table['is_member'].dtype}.")
    if empty := [column for column in ("target", "image_id", "identity") if table[column].isna().any()]:
        raise MetricError(f"Empty cells in {', '.join(empty)}: such rows belong to no target, image or person.")
    if repeated := int(table.duplicated(["target", "image_id"]).sum()):
        raise MetricError(
            f"{repeated} of {len(table)} rows repeat a target and image, which would count more than once. "
            "Select one attack before ranking."
        )
    if broken := int((~np.isfinite(table["z"].to_numpy(float))).sum()):
        raise MetricError(f"{broken} of {len(table)} z are NaN or infinite: look where the scores were calibrated.")
    p_values = table["p_value"].to_numpy(float)
    if wrong := int((~((p_values > 0) & (p_values <= 1))).sum()):
        raise MetricError(
            f"{wrong} of {len(table)} p-values lie outside 0…1 or are 0, which no finite sample can show. "
            "Count the observation itself: (higher non-member scores + 1) / (non-member scores + 1)."
        )
