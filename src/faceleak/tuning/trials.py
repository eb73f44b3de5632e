"""What a study has found: a table of its trials, the best attack, and which parameters mattered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from faceleak.membership.options import AttackOptions
from faceleak.tuning.options import SearchSpace
from faceleak.tuning.space import attack_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

OWN_AUC = "own_auc"


def trials_table(trials: "Sequence[FrozenTrial]") -> pd.DataFrame:
    """One row a trial, in their order: trial (from 0), state (`complete` or `pruned`), its parameters, own_auc.

    own_auc is the AUC in 0…1 on the attacker's own data, for a pruned trial on the folds that were judged; own_auc_1 …
    are the values after each fold, empty where a trial was pruned before.
    """
    return pd.DataFrame(
        {
            "trial": place,
            "state": trial.state.name.lower(),
            **trial.params,
            OWN_AUC: trial.intermediate_values[max(trial.intermediate_values)],
            **{f"{OWN_AUC}_{fold}": value for fold, value in sorted(trial.intermediate_values.items())},
        }
        for place, trial in enumerate(trials)
    )


def best_trial(trials: "Sequence[FrozenTrial]") -> "FrozenTrial":
    """The trial with the highest value among those that were judged to the end; of equal ones the earliest."""
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(complete, key=lambda trial: trial.value if trial.value is not None else 0.0)


def best_attack(trials: "Sequence[FrozenTrial]", space: SearchSpace) -> AttackOptions:
    """The attack that the best trial tried."""
    return attack_of(best_trial(trials).params, space)


def importances(trials: "Sequence[FrozenTrial]", seed: int) -> dict[str, float]:
    """Parameter → share in 0…1 of the trials' spread in own_auc that it explains (fANOVA, Hutter et al. 2014).

    Trials that were judged to the end count; empty where they are fewer than two or do not differ.
    """
    import optuna

    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    values = {trial.value for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE}
    if len(values) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
