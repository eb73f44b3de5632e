"""The study of stage 1: attacks on the attacker's own data."""

from typing import TYPE_CHECKING

import pandas as pd

from faceleak.membership.attacks import code_of
from faceleak.tuning.objective import Objective, OwnData
from faceleak.tuning.options import TuningOptions
from faceleak.tuning.space import parameters_of
from faceleak.tuning.study import WITHOUT_EFFECT, Plan, run_plan, versions
from faceleak.work.compute import ComputeOptions
from faceleak.work.pieces import code_version, fingerprint

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from faceleak.membership.options import AttackOptions


def try_attacks(
    data: OwnData, default: "AttackOptions", options: TuningOptions, compute: ComputeOptions
) -> "list[FrozenTrial]":
    """Try attacks, `default` first; see `run_plan`. Raises AttackFitError."""
    plan = Plan(
        name=name_of(data, default, options),
        objective=Objective(data, options.space),
        first=parameters_of(default, options.space),
        options=options,
        pruning=options.pruning,
    )
    return run_plan(plan, compute)


def name_of(data: OwnData, default: "AttackOptions", options: TuningOptions) -> str:
    """Name the study by the hash of all that decides which trials there are."""
    tables = [table for part in data.evidence for table in (part.images, part.own, *part.references)]
    strangers = [pd.DataFrame(part.stranger) for part in data.evidence]
    chosen = options.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    return fingerprint(
        chosen, default, *tables, *strangers, code_version(__name__, *code_of(options.space.attacks())), versions()
    )
