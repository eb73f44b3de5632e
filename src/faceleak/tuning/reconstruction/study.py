"""The study of stage 2: searches on the attacker's own target."""

from typing import TYPE_CHECKING

import pandas as pd

from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.pieces import ReconstructionPiece
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.tuning.reconstruction.objective import OwnTarget, SearchObjective
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions
from faceleak.tuning.reconstruction.space import parameters_of
from faceleak.tuning.study import WITHOUT_EFFECT, Plan, run_plan, versions
from faceleak.work.pieces import code_version, fingerprint

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def try_searches(
    target: OwnTarget,
    people: pd.DataFrame,
    search: SearchOptions,
    prior: PriorOptions,
    options: ReconstructionTuningOptions,
) -> "list[FrozenTrial]":
    """Try searches on `target`, the configured one first; see `run_plan`.

    people: splits as `own_people` makes them, which say who is judged.
    """
    small = options.of_trial(search)
    plan = Plan(
        name=name_of(target, people, small, prior, options),
        objective=SearchObjective(target, options.space, small, prior),
        first=parameters_of(small, prior, options.space),
        options=options,
        directions=("maximize", "minimize"),
    )
    return run_plan(plan, target.compute)


def name_of(
    target: OwnTarget,
    people: pd.DataFrame,
    search: SearchOptions,
    prior: PriorOptions,
    options: ReconstructionTuningOptions,
) -> str:
    """Name the study by the hash of all that decides which trials there are."""
    guided = ReconstructionPiece(target.guide, prior, search, target.compute).path.name
    evaluators = {name: backbone.network_hash() for name, backbone in target.evaluators.items()}
    thresholds = {name: judge.threshold for name, judge in target.judges.items()}
    chosen = options.model_dump(mode="json", exclude=WITHOUT_EFFECT | {"standard_errors"})
    parts = (guided, evaluators, thresholds, chosen, target.bootstrap, people)
    terms = map(objectives.module, options.space.objective)
    return fingerprint(*parts, code_version(__name__, *terms), versions())
