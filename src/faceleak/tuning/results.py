"""The results of a study: the best attack, and its value on people whom neither the study nor the fitting saw.

Found are a table of its trials, the best attack, and which parameters mattered. The best of many trials is partly the
luckiest one, so its value on the data it was chosen by is too high (the winner's curse; Cawley and Talbot, JMLR 11,
2010). Fresh people tell what is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.membership.options import AttackOptions
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
from faceleak.tuning.options import SearchSpace
from faceleak.tuning.space import attack_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

OWN_AUC = "own_auc"


def trials_table(trials: "Sequence[FrozenTrial]") -> pd.DataFrame:
    """One row a trial, in their order: trial (from 0), state (`complete` or `pruned`), its parameters, own_auc.

    own_auc is the AUC in 0…1 on the attacker's own data, for a pruned trial on the folds that were judged; own_auc_1 …
    are the values after each fold, empty if a trial was pruned before.
    """
    return pd.DataFrame(
        {
            "trial": place,
            "state": trial.state.name.lower(),
            **trial.params,
            OWN_AUC: trial.intermediate_values[max(trial.intermediate_values)],
            **{after_fold(OWN_AUC, fold): value for fold, value in sorted(trial.intermediate_values.items())},
        }
        for place, trial in enumerate(trials)
    )


def after_fold(value: str, fold: int) -> str:
    """The column that tells a value after a fold, from 1 on."""
    return f"{value}_{fold}"


def best_trial(trials: "Sequence[FrozenTrial]") -> "FrozenTrial":
    """The trial with the highest value among those that were judged to the end; of equal ones the earliest."""
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(complete, key=lambda trial: trial.value if trial.value is not None else 0.0)


def best_attack(trials: "Sequence[FrozenTrial]", space: SearchSpace) -> AttackOptions:
    """The attack that the best trial tried."""
    return attack_of(best_trial(trials).params, space)


def importances(trials: "Sequence[FrozenTrial]", seed: int) -> dict[str, float]:
    """Parameter → share in 0…1 of the trials' spread in own_auc that it explains (fANOVA, Hutter et al. 2014).

    Trials that were judged to the end count; empty if they are fewer than two or do not differ.
    """
    import optuna

    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    values = {trial.value for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE}
    if len(values) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


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
    Raises MetricError if the two scored other images.
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
