"""How well an attack tells members from non-members: one table of scores in, metrics with intervals out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.intervals import (
    Combination,
    Estimator,
    Interval,
    bootstrap_intervals,
    difference,
    fewest_people,
    weight_blocks,
    wilson_interval,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import (
    BoolArray,
    FloatArray,
    MetricError,
    auc,
    share_above_non_members,
    share_of_members,
    tpr_at_fpr,
)

MEMBER = "member"
POPULATIONS = ("same_identity", "unseen_identity")  # of non-members
SCORE_COLUMNS = ("image_id", "identity", "population", "is_member", "score", "says_member")
BLIND_COLUMNS = ("image_id", "is_member", "score")
LOWEST_FPR, LOWEST_TPR = "lowest_fpr", "tpr_at_lowest_fpr"

Numbers = dict[str, float | None]


def measure_membership(
    scores: pd.DataFrame, blind: pd.DataFrame | None, options: BootstrapOptions
) -> dict[str, Numbers]:
    """Measure one attack by one attacker against each population of non-members that its scores contain.

    scores: one row an image with image_id, identity, population (`member`, `same_identity`, `unseen_identity`),
    is_member, score (higher says member) and says_member (score above the attacker's own threshold).
    blind: the scores that the blind baseline gives to the same images, matched by image_id.

    Returns population → metric → value: `auc`, `asr` (balanced accuracy of says_member), `tpr_at_fpr_1pct`,
    `tpr_at_fpr_0.1pct` (None if so few non-members cannot show it: `tpr_at_fpr`) and `tpr_at_lowest_fpr`
    (`share_above_non_members`) in 0…1 and, with a blind baseline, `advantage_over_blind` (AUC minus its AUC, in
    −1…1), each with `_ci_low` and `_ci_high`; `lowest_fpr`, the expected false-positive rate there, with the rates that
    so many people do not exclude; and the numbers of images `members` and `non_members`. All metrics of a population
    share one set of resamples, so the advantage is a paired comparison.

    Raises MetricError if a column is missing or contradicts another, an image occurs twice, a score is not finite,
    there are no non-members, a class has images of one person only, or the baseline scored other images.
    """
    check_table(scores, SCORE_COLUMNS, "scores")
    check_populations(scores)
    if blind is not None:
        check_table(blind, BLIND_COLUMNS, "blind scores")
        blind = aligned(blind, scores)
    results = {}
    for population in POPULATIONS:
        if (scores["population"] == population).any():
            chosen = scores["population"].isin([MEMBER, population]).to_numpy(bool)
            rows = rows_of(scores[chosen], None if blind is None else blind[chosen])
            results[population] = measure_rows(*rows, options)
    return results


def rows_of(scores: pd.DataFrame, blind: pd.DataFrame | None) -> tuple[NDArray[Any], BoolArray, dict[str, Estimator]]:
    """Identities, is_member, and what is measured of scores, also beside those of the baseline in the same order.

    Raises MetricError if a class has rows of one person only.
    """
    check_people(scores)
    is_member, score = scores["is_member"].to_numpy(bool), scores["score"].to_numpy(float)
    says_member = scores["says_member"].to_numpy(bool) if "says_member" in scores else None
    estimators = estimators_of(score, is_member, says_member)
    if blind is not None:
        estimators["advantage_over_blind"] = advantage(score, blind["score"].to_numpy(float), is_member)
    return scores["identity"].to_numpy(), is_member, estimators


def measure_rows(
    identities: NDArray[Any], is_member: BoolArray, estimators: Mapping[str, Estimator], options: BootstrapOptions
) -> Numbers:
    """Estimators with their intervals over people, `lowest_fpr`, and the numbers of rows of both classes."""
    people = fewest_people(identities, is_member)
    blocks = weight_blocks(identities, is_member, options.resamples, options.seed)
    intervals = bootstrap_intervals(estimators, blocks, people, options.level)
    intervals[LOWEST_FPR] = lowest_fpr(identities, is_member, options.level)
    counts = {"members": int(is_member.sum()), "non_members": int((~is_member).sum())}
    return named(intervals) | counts


def lowest_fpr(identities: NDArray[Any], is_member: BoolArray, level: float) -> Interval:
    """Enclose the false-positive rate of a threshold at the largest non-member, whom none of so many people passed.

    Its value is the expected one, 1/(n + 1) of n non-members.
    """
    people = len(pd.unique(identities[~is_member]))
    return Interval(1 / (int((~is_member).sum()) + 1), 0.0, wilson_interval(0.0, people, level).high)


def named(intervals: Mapping[str, Interval]) -> Numbers:
    """Metrics as they are saved: each value with its bounds."""
    return {key: value for name, interval in intervals.items() for key, value in interval.named(name).items()}


def estimators_of(
    score: FloatArray, is_member: BoolArray, says_member: BoolArray | None = None
) -> dict[str, Estimator]:
    """What is measured of scores (n,), and of verdicts if there are any."""
    estimators: dict[str, Estimator] = {"auc": lambda weights: auc(score, is_member, weights)}
    if says_member is not None:
        rates = (
            lambda weights: share_of_members(says_member, is_member, weights),
            lambda weights: share_of_members(~says_member, ~is_member, weights),
        )
        estimators["asr"] = Combination(rates, (0.5, 0.5))
    return estimators | {
        "tpr_at_fpr_1pct": lambda weights: tpr_at_fpr(score, is_member, 0.01, weights),
        "tpr_at_fpr_0.1pct": lambda weights: tpr_at_fpr(score, is_member, 0.001, weights),
        LOWEST_TPR: lambda weights: share_above_non_members(score, is_member, weights),
    }


def advantage(score: FloatArray, blind_score: FloatArray, is_member: BoolArray) -> Combination:
    return difference(
        lambda weights: auc(score, is_member, weights), lambda weights: auc(blind_score, is_member, weights)
    )


def check_table(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    if missing := [column for column in columns if column not in table.columns]:
        raise MetricError(
            f"The table of {name} lacks {', '.join(missing)}. "
            f"It needs the columns {', '.join(columns)}, one row an image."
        )
    if empty := [column for column in columns if table[column].isna().any() and column != "score"]:
        raise MetricError(
            f"The table of {name} has empty cells in {', '.join(empty)}: such rows belong to no class or person. "
            "Look for a join that lost rows where the table was made."
        )
    for column in {"is_member", "says_member"} & set(columns):
        if not pd.api.types.is_bool_dtype(table[column]):
            raise MetricError(f"`{column}` of the {name} must be True or False, found {table[column].dtype}.")
    if not pd.api.types.is_numeric_dtype(table["score"]):
        raise MetricError(f"`score` of the {name} must be a number, found {table['score'].dtype}.")
    if repeated := int(table["image_id"].duplicated().sum()):
        raise MetricError(
            f"{repeated} of {len(table)} rows of the {name} repeat an image_id, so images would count more than once. "
            "Select one attack and one attacker before measuring."
        )


def check_populations(scores: pd.DataFrame) -> None:
    known = [MEMBER, *POPULATIONS]
    if unknown := sorted(set(scores["population"].astype(str)) - set(known)):
        raise MetricError(
            f"The scores name unknown populations: {', '.join(unknown[:5])}. Only {', '.join(known)} can be evaluated; "
            "images of other roles belong to the attacker."
        )
    if contradictions := int((scores["is_member"] != (scores["population"] == MEMBER)).sum()):
        raise MetricError(
            f"`is_member` and `population` contradict each other in {contradictions} of {len(scores)} rows, so one of "
            "them is wrong. Make both from the splits."
        )
    if scores["is_member"].all():
        raise MetricError(
            f"The scores hold {len(scores)} members and no non-members, so nothing can be told apart. "
            f"Score images of {' or '.join(POPULATIONS)} as well."
        )
    unseen = scores.loc[scores["population"] == "unseen_identity", "identity"]
    if seen := unseen[unseen.isin(scores.loc[scores["is_member"], "identity"])].nunique():
        raise MetricError(
            f"{seen} of {unseen.nunique()} people called `unseen_identity` have member images, so the target has seen "
            "them and the attack would look worse than it is. Call their other images `same_identity`."
        )


def check_people(scores: pd.DataFrame) -> None:
    for is_member, images in scores.groupby("is_member"):
        if images["identity"].nunique() < 2:
            raise MetricError(
                f"All {len(images)} {'members' if is_member else 'non-members'} show one person, so the spread "
                "between people, and with it an interval, cannot be estimated. Evaluate at least two people a class."
            )


def aligned(blind: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Bring the baseline's rows into the order of the scores."""
    if different := len(set(blind["image_id"]) ^ set(scores["image_id"])):
        raise MetricError(
            f"{different} images were scored by only one of attack and blind baseline, but their difference is only "
            "meaningful on the same images. Score both on the same split."
        )
    aligned = blind.set_index("image_id").loc[scores["image_id"]]
    if differing := int((aligned["is_member"].to_numpy(bool) != scores["is_member"].to_numpy(bool)).sum()):
        raise MetricError(
            f"Attack and blind baseline disagree on who is a member for {differing} of {len(scores)} images: they were "
            "scored for different targets or splits. Score both on the same split."
        )
    return aligned
