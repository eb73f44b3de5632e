"""AUC within each subgroup of people or images, and its gap to the rest."""

from collections.abc import Iterator
from dataclasses import astuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.intervals import (
    NOT_MEASURABLE,
    Estimator,
    Interval,
    bootstrap_intervals,
    difference,
    rows_per_block,
    weight_blocks,
)
from faceleak.metrics.membership import MEMBER, POPULATIONS, check_populations, check_table
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, auc

COLUMNS = ("image_id", "identity", "population", "is_member", "score")
KEYS = ("image_id", "identity")
ENDS = ("", "_ci_low", "_ci_high")


def subgroup_gaps(
    scores: pd.DataFrame, attributes: pd.DataFrame, options: BootstrapOptions, minimum_people: int = 10
) -> pd.DataFrame:
    """Measure one attack within the subgroups that attributes make, and against all others of the same attribute.

    scores: one row an image with image_id, identity, population, is_member and score. attributes: one row an image
    (image_id) or a person (identity), each other column an attribute whose values are categories.

    Returns one row a population, attribute and subgroup: population, attribute, subgroup; members and non_members
    (images); people, the smaller number of people a class; without_value, images of the population that have no value
    of the attribute and count neither here nor in the rest; auc in 0…1 (members of the subgroup against non-members of
    the subgroup); gap in −1…1, that AUC minus the AUC of the rest; both with `_ci_low` and `_ci_high`. Where subgroup
    or rest have fewer than `minimum_people` in a class the measure is NaN: the row says who is too few to be judged.

    People are resampled, in three groups: who shows in the subgroup only, in the rest only, and in both (a person
    whose images differ in the attribute), who is drawn once for both sides. Of twenty subgroups one misses a 95 %
    interval by chance.

    Raises MetricError if a table lacks a column, an attribute row occurs twice, no image has any value, or
    the scores are not those of `measure_membership`.
    """
    check_table(scores, COLUMNS, "scores")
    check_populations(scores)
    values = _values(scores, attributes)
    rows = []
    for population in POPULATIONS:
        if (scores["population"] == population).any():
            chosen = scores["population"].isin([MEMBER, population]).to_numpy(bool)
            for attribute in values.columns:
                measured = _measure(scores[chosen], values.loc[chosen, attribute], options, minimum_people)
                rows += [{"population": population, "attribute": attribute, **row} for row in measured]
    return pd.DataFrame(rows)


def _measure(
    scores: pd.DataFrame, values: pd.Series, options: BootstrapOptions, minimum_people: int
) -> Iterator[dict[str, object]]:
    known = values.notna().to_numpy(bool)
    scores, values = scores[known], values[known]
    is_member = scores["is_member"].to_numpy(bool)
    for subgroup in sorted(values.unique(), key=str):
        inside = (values == subgroup).to_numpy(bool)
        people, others = _people(scores[inside]), _people(scores[~inside])
        row: dict[str, object] = {
            "subgroup": subgroup,
            "members": int((inside & is_member).sum()),
            "non_members": int((inside & ~is_member).sum()),
            "people": people,
            "without_value": int((~known).sum()),
        }
        counts = {"auc": people, "gap": min(people, others)}
        measurable = {name: count for name, count in counts.items() if count >= minimum_people}
        for name, interval in _intervals(scores, inside, measurable, options).items():
            row |= {f"{name}{end}": value for end, value in zip(ENDS, astuple(interval), strict=True)}
        yield row


def _intervals(
    scores: pd.DataFrame, inside: BoolArray, people: dict[str, int], options: BootstrapOptions
) -> dict[str, Interval]:
    """AUC and gap, by the people of the class that has fewest; those without such a number are not measured."""
    score, is_member = scores["score"].to_numpy(float), scores["is_member"].to_numpy(bool)
    within, rest = _auc_within(score, is_member, inside), _auc_within(score, is_member, ~inside)
    estimators: dict[str, Estimator] = {"auc": within, "gap": difference(within, rest)}
    asked = {name: estimators[name] for name in people}
    blocks = _weight_blocks(scores["identity"].to_numpy(), is_member, inside, options)
    intervals = bootstrap_intervals(asked, blocks, min(people.values()), options.level) if asked else {}
    return {name: intervals.get(name, NOT_MEASURABLE) for name in estimators}


def _auc_within(score: FloatArray, is_member: BoolArray, chosen: BoolArray) -> Estimator:
    return lambda weights: auc(score[chosen], is_member[chosen], None if weights is None else weights[:, chosen])


def _weight_blocks(
    identities: NDArray[np.object_], is_member: BoolArray, inside: BoolArray, options: BootstrapOptions
) -> Iterator[NDArray[np.uint8]]:
    """Draw people within three groups: subgroup and rest keep their numbers of people."""
    in_subgroup, in_rest = np.isin(identities, identities[inside]), np.isin(identities, identities[~inside])
    groups = [in_subgroup & ~in_rest, ~in_subgroup & in_rest, in_subgroup & in_rest]
    rows = rows_per_block(len(identities))
    seeds = np.random.SeedSequence([options.seed, len(groups)]).generate_state(len(groups))
    drawn = [
        (group, weight_blocks(identities[group], is_member[group], options.resamples, int(seed), rows))
        for group, seed in zip(groups, seeds, strict=True)
        if group.any()
    ]
    for start in range(0, options.resamples, rows):
        weights = np.zeros((min(rows, options.resamples - start), len(identities)), np.uint8)
        for group, blocks in drawn:
            weights[:, group] = next(blocks)
        yield weights


def _people(scores: pd.DataFrame) -> int:
    """The smaller number of people a class."""
    member = scores["is_member"].to_numpy(bool)
    return min(int(scores.loc[rows, "identity"].nunique()) for rows in (member, ~member))


def _values(scores: pd.DataFrame, attributes: pd.DataFrame) -> pd.DataFrame:
    """The attributes of each scored image, in the order and with the index of the scores; missing if unknown."""
    key = next((name for name in KEYS if name in attributes.columns), None)
    names = [name for name in attributes.columns if name not in KEYS]
    if key is None or not names:
        raise MetricError(
            f"Attributes need a column image_id or identity and at least one attribute, found "
            f"{', '.join(map(str, attributes.columns)) or 'no column'}."
        )
    if repeated := int(attributes[key].duplicated().sum()):
        raise MetricError(
            f"{repeated} of {len(attributes)} rows of the attributes repeat an {key}, so its subgroup is not clear. "
            "Keep one row each."
        )
    values = attributes.set_index(key)[names].reindex(scores[key]).set_axis(scores.index)
    if empty := [str(name) for name in names if values[name].isna().all()]:
        raise MetricError(
            f"No scored image has a value of {', '.join(empty)}: the attributes are empty, or their {key} is written "
            "in another type or spelling than that of the scores."
        )
    return values
