"""What a study of two objectives has found, and what it brought on the target, whose people no trial saw.

Found are a table, the Pareto front, and the point that is taken from it. The best of many trials is partly the luckiest
one, so its value on the data it was chosen by is too high (the winner's curse). Between the attacker's own target and
the audited one there are other differences: the default's gap shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.intervals import Interval, independent_difference
from faceleak.metrics.matcher import Matcher
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray
from faceleak.tuning.reconstruction.study import ADVANTAGE, DISTINCT, ERROR, STEPS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

ON_FRONT, CHOSEN = "on_front", "chosen"


def trials_table(trials: "Sequence[FrozenTrial]", standard_errors: float) -> pd.DataFrame:
    """One row a trial, in their order: trial (from 0), state, its parameters, values, on_front, chosen.

    own_advantage (−1…1) with its standard error own_advantage_error, steps_per_face, distinct_members; on_front: no
    other trial has a higher advantage at no more steps, or as high a one at fewer; chosen: by `choose`.
    """
    table = pd.DataFrame(
        {"trial": place, "state": trial.state.name.lower(), **trial.params, **_values(trial)}
        for place, trial in enumerate(trials)
    )
    front = [trial.number for trial in _in_memory(trials).best_trials]
    taken = choose(table, standard_errors)
    return table.assign(**{ON_FRONT: table["trial"].isin(front), CHOSEN: table["trial"] == taken})


def choose(trials: pd.DataFrame, standard_errors: float) -> int:
    """The trial with the fewest steps among those that are as good as the best one, up to its error.

    As good: an own_advantage at most `standard_errors` of the best one's standard errors below it (the one-standard-
    error rule; Breiman et al., Classification and Regression Trees, 1984, section 3.4.3). Of equal ones the earliest
    with the highest advantage. It always lies on the Pareto front.
    """
    best = trials.sort_values(ADVANTAGE, ascending=False, kind="stable").iloc[0]
    as_good = trials[trials[ADVANTAGE] >= best[ADVANTAGE] - standard_errors * best[ERROR]]
    return int(as_good.sort_values([STEPS, ADVANTAGE, "trial"], ascending=[True, False, True]).iloc[0]["trial"])


def importances(trials: "Sequence[FrozenTrial]", seed: int) -> dict[str, float]:
    """Parameter → share in 0…1 of the trials' spread in own_advantage that it explains (fANOVA, Hutter et al. 2014).

    Empty where trials are fewer than two or do not differ.
    """
    import optuna

    if len({_advantage(trial) for trial in trials}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return optuna.importance.get_param_importances(_in_memory(trials), evaluator=evaluator, target=_advantage)


def _values(trial: "FrozenTrial") -> dict[str, float]:
    advantage, steps = trial.values  # noqa: PD011
    return {ADVANTAGE: advantage, STEPS: steps} | {name: trial.user_attrs[name] for name in (ERROR, DISTINCT)}


def _advantage(trial: "FrozenTrial") -> float:
    return _values(trial)[ADVANTAGE]


def _in_memory(trials: "Sequence[FrozenTrial]") -> "Study":
    """A study of these trials alone, numbered in their order."""
    import optuna

    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(trials)
    return study


FRESH, DIFFERENCE = "fresh_advantage", "fresh_advantage_difference"


@dataclass(frozen=True, eq=False)
class Contender:
    """A search: its match advantage on the attacker's own target, its steps a face, and what it found on the target.

    embeddings: of the faces found there, an evaluator's (n, d) each.
    """

    own_advantage: float
    steps_per_face: float
    embeddings: Sequence[FloatArray]


def compare(
    default: Contender, tuned: Contender, matchers: Sequence[Matcher], options: BootstrapOptions
) -> dict[str, dict[str, Any]]:
    """Measure both searches on the audited target, and the tuned one minus the default one.

    Returns `default`, `tuned` and `tuned_over_default`. The first two have `own_advantage`, `fresh_advantage` (the
    match advantage on the target), `gap` (own minus fresh), `steps_per_face` and what `measure_match` says besides; the
    last has `fresh_advantage_difference`, in −2…2. All but `own_advantage` and counts have `_ci_low` and `_ci_high`.
    The interval of the difference takes the two searches for independent; as they share evaluators and people, it is
    rather wide.
    """
    measured = {
        name: _measured(contender, matchers, options) for name, contender in (("default", default), ("tuned", tuned))
    }
    first, second = (_interval(measured[name]) for name in ("tuned", "default"))
    return measured | {"tuned_over_default": independent_difference(first, second).named(DIFFERENCE)}


def _measured(contender: Contender, matchers: Sequence[Matcher], options: BootstrapOptions) -> dict[str, Any]:
    found = measure_match(contender.embeddings, matchers, options)
    fresh = Interval(*(found.pop(f"match_advantage{end}") for end in ("", "_ci_low", "_ci_high")))
    own = contender.own_advantage
    gap = Interval(own - fresh.value, own - fresh.high, own - fresh.low)
    values = {ADVANTAGE: own} | fresh.named(FRESH) | gap.named("gap") | {STEPS: contender.steps_per_face}
    return values | found


def _interval(values: Mapping[str, Any]) -> Interval:
    return Interval(*(values[f"{FRESH}{end}"] for end in ("", "_ci_low", "_ci_high")))
