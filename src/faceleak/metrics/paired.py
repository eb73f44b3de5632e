"""Does attack A beat attack B? Their difference on the same images, under the same resamples of people.

What makes an image easy for one attack mostly makes it easy for the other, so the difference is known far better than
either value: two overlapping intervals say little, the interval of the difference says it.
"""

import pandas as pd

from faceleak.metrics.intervals import Combination, Estimator, difference
from faceleak.metrics.membership import Numbers, advantage, check_people, named
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.repeated import (
    TARGET,
    Repetition,
    intervals_over_targets,
    of_population,
    populations_of,
    split_by_target,
)
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, tpr_at_fpr

COLUMNS = ("image_id", "identity", "population", "is_member", "score")


def paired_difference(first: pd.DataFrame, second: pd.DataFrame, options: BootstrapOptions) -> dict[str, Numbers]:
    """Measure attack `first` minus attack `second`; above 0, the first is better.

    Both tables: image_id, identity, population, is_member and score of the same images, one row an image; with a
    column target in both, one row an image and target, and the differences are averaged over targets, which are then
    resampled too (`measure_repeated`).

    Returns population → `auc_difference` and `tpr_at_fpr_1pct_difference` (None where that cannot be measured), in
    −1…1, each with `_ci_low` and `_ci_high`, and `targets`, their number. An interval that excludes 0 tells that one
    attack is better on people like these.

    Raises MetricError where a table is not one of `measure_membership`, or where the attacks scored other images or
    disagree about them.
    """
    if (TARGET in first.columns) != (TARGET in second.columns):
        raise MetricError(
            "Only one of the two attacks names its targets, so their scores cannot be matched. "
            "Give both the column `target`, or select one target of each."
        )
    if TARGET not in first.columns:
        first, second = first.assign(target=0), second.assign(target=0)
    firsts, seconds = split_by_target(first, COLUMNS), split_by_target(second, COLUMNS)
    if different := len(set(firsts) ^ set(seconds)):
        raise MetricError(
            f"{different} targets were attacked by only one of the two attacks, so their difference is not paired. "
            "Run both attacks on the same targets."
        )
    matched = {target: _matched(rows, seconds[target]) for target, rows in firsts.items()}
    results = {}
    for population in populations_of(firsts):
        repetitions = [_repetition(rows[of_population(rows, population)]) for rows in matched.values()]
        results[population] = named(intervals_over_targets(repetitions, options)) | {"targets": len(repetitions)}
    return results


def _repetition(rows: pd.DataFrame) -> Repetition:
    check_people(rows)
    is_member = rows["is_member"].to_numpy(bool)
    first, second = rows["score"].to_numpy(float), rows["other_score"].to_numpy(float)
    estimators: dict[str, Estimator] = {
        "auc_difference": advantage(first, second, is_member),
        "tpr_at_fpr_1pct_difference": _tpr_difference(first, second, is_member),
    }
    return Repetition(rows["identity"].to_numpy(), is_member, estimators)


def _tpr_difference(first: FloatArray, second: FloatArray, is_member: BoolArray) -> Combination:
    return difference(
        lambda weights: tpr_at_fpr(first, is_member, 0.01, weights),
        lambda weights: tpr_at_fpr(second, is_member, 0.01, weights),
    )


def _matched(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the first attack's rows with the second's score beside them, as other_score."""
    if different := len(set(first["image_id"]) ^ set(second["image_id"])):
        raise MetricError(
            f"{different} images were scored by only one of the two attacks, but their difference is only meaningful "
            "on the same images. Score both on the same split."
        )
    other = second.set_index("image_id").loc[first["image_id"]]
    agreeing = [first[column].to_numpy() == other[column].to_numpy() for column in ("identity", "population")]
    if differing := int((~(agreeing[0] & agreeing[1])).sum()):
        raise MetricError(
            f"The two attacks disagree on identity or population of {differing} of {len(first)} images: they were "
            "scored for different targets or splits. Score both on the same split."
        )
    return first.assign(other_score=other["score"].to_numpy(float))
