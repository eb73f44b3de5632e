"""Attacks compared over the same targets: on images and people, with the blind baseline's and the paper's.

Does attack A beat attack B? Their difference on the same images, under the same resamples of people, says it: what
makes an image easy for one attack mostly makes it easy for the other, so the difference is known far better than either
value. Two overlapping intervals say little.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.common.options import Aggregation
from faceleak.metrics.identity_level import SETTINGS, is_shown, people_as_images
from faceleak.metrics.intervals import Combination, Estimator, difference
from faceleak.metrics.membership import Numbers, advantage, check_people, named
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.repeated import (
    TARGET,
    Repetition,
    intervals_over_targets,
    measure_repeated,
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

    Returns population → `auc_difference` and `tpr_at_fpr_1pct_difference` (None if that cannot be measured), in
    −1…1, each with `_ci_low` and `_ci_high`, and `targets`, their number. An interval that excludes 0 tells that one
    attack is better on people like these.

    Raises MetricError if a table is not one of `measure_membership`, or if the attacks scored other images or
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
    """Return the first attack's rows with the second's score in the column other_score."""
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


Metrics = dict[str, dict[str, Any]]


def compare(
    scores: Mapping[str, pd.DataFrame],
    papers: Mapping[str, str],
    blind: pd.DataFrame,
    blind_name: str,
    how: Aggregation,
    options: BootstrapOptions,
) -> dict[str, Metrics]:
    """Measure every attack: attack → population → metrics.

    scores: attack → table as `measure_repeated` takes it. papers: attack → the attack that it is compared with, under
    the same threat model, for those that are. Populations are `same_identity`, `unseen_identity` and, by people whose
    images' scores are aggregated, `identity` and `identity_other_images`. Besides the metrics of `measure_repeated`
    there is `auc_over_paper`, with its paired interval, unless the attack is the paper's own.
    """
    return {blind_name: _measure(blind, None, None, how, options)} | {
        name: _measure(
            table, blind, None if (paper := papers.get(name, name)) == name else scores.get(paper), how, options
        )
        for name, table in scores.items()
    }


def _measure(
    scores: pd.DataFrame,
    blind: pd.DataFrame | None,
    paper: pd.DataFrame | None,
    how: Aggregation,
    options: BootstrapOptions,
) -> Metrics:
    metrics = _beside_paper(scores, blind, paper, options)
    for setting in SETTINGS:
        people, blind_people, paper_people = (_people(table, setting, how) for table in (scores, blind, paper))
        if people is not None:
            measured = _beside_paper(people, blind_people, paper_people, options)
            metrics[setting] = measured["unseen_identity"]
    return metrics


def _people(scores: pd.DataFrame | None, setting: str, how: Aggregation) -> pd.DataFrame | None:
    if scores is None or not is_shown(scores, setting):
        return None
    parts = [people_as_images(rows, setting, how).assign(target=target) for target, rows in scores.groupby(TARGET)]
    return pd.concat(parts, ignore_index=True)


def _beside_paper(
    scores: pd.DataFrame, blind: pd.DataFrame | None, paper: pd.DataFrame | None, options: BootstrapOptions
) -> Metrics:
    metrics: Metrics = measure_repeated(scores, blind, options)
    if paper is not None:
        for population, difference in paired_difference(scores, paper, options).items():
            metrics[population] |= {
                key.replace("auc_difference", "auc_over_paper"): value
                for key, value in difference.items()
                if key.startswith("auc_difference")
            }
    return metrics
