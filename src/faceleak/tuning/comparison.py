"""What tuning brought: the default and the tuned attack on people whom neither the study nor the fitting saw.

The best of many trials is partly the luckiest one, so its value on the data it was chosen by is too high (the winner's
curse; Cawley and Talbot, JMLR 11, 2010). Fresh people tell what is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from faceleak.metrics.comparison import paired_difference
from faceleak.metrics.intervals import (
    Estimator,
    Interval,
    bootstrap_intervals,
    difference,
    fewest_people,
    weight_blocks,
)
from faceleak.metrics.membership import MEMBER, measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import WeightArray, auc

FRESH_AUC, DIFFERENCE = "fresh_auc", "fresh_auc_difference"


@dataclass(frozen=True, eq=False)
class Contender:
    """An attack: its AUC in 0…1 on the attacker's own data, and its scores of the evaluated images.

    scores: the table of `measure_membership`.
    """

    own_auc: float
    scores: pd.DataFrame


def compare(
    default: Contender, tuned: Contender, shares: Mapping[str, float], options: BootstrapOptions
) -> dict[str, dict[str, Any]]:
    """Measure both attacks on fresh people, and the tuned one minus the default one, pair by pair.

    shares: population → share of the attacker's own non-member images. The fresh AUC weighs populations as they do, so
    that it is the same quantity as the own one. Returns `default`, `tuned` and `tuned_over_default`. The first two have
    `own_auc`, `fresh_auc` and `gap` (own minus fresh), the last `fresh_auc_difference`, in −1…1, all but the first with
    `_ci_low` and `_ci_high`; and each has what `measure_membership`, or `paired_difference`, says of each population.
    Raises MetricError where the two scored other images.
    """
    paired = paired_difference(tuned.scores, default.scores, options)
    ordered = default.scores.set_index("image_id").loc[tuned.scores["image_id"]].reset_index()
    first, second = _mixed_auc(tuned.scores, shares), _mixed_auc(ordered, shares)
    estimators: dict[str, Estimator] = {
        "tuned": first,
        "default": second,
        DIFFERENCE: difference(first, second),
    }
    identities, is_member = tuned.scores["identity"].to_numpy(), tuned.scores["is_member"].to_numpy(bool)
    blocks = weight_blocks(identities, is_member, options.resamples, options.seed)
    intervals = bootstrap_intervals(estimators, blocks, fewest_people(identities, is_member), options.level)
    return {
        "default": _measured(default, intervals["default"], options),
        "tuned": _measured(tuned, intervals["tuned"], options),
        "tuned_over_default": intervals[DIFFERENCE].named(DIFFERENCE) | paired,
    }


def _mixed_auc(scores: pd.DataFrame, shares: Mapping[str, float]) -> Estimator:
    """AUC against all non-members, if populations had these shares of them."""
    is_member, score = scores["is_member"].to_numpy(bool), scores["score"].to_numpy(float)
    parts = [
        (share, scores["population"].isin([MEMBER, population]).to_numpy(bool)) for population, share in shares.items()
    ]

    def estimate(weights: WeightArray | None) -> Any:
        return sum(
            share * auc(score[part], is_member[part], None if weights is None else weights[:, part])
            for share, part in parts
        )

    return estimate


def _measured(contender: Contender, fresh: Interval, options: BootstrapOptions) -> dict[str, Any]:
    own = contender.own_auc
    gap = Interval(own - fresh.value, own - fresh.high, own - fresh.low)
    values = {"own_auc": own} | fresh.named(FRESH_AUC) | gap.named("gap")
    return values | measure_membership(contender.scores, None, options)
