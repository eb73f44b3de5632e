"""The study of stage 1: what is maximized is an attack's AUC on the attacker's own data, cross-validated."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faceleak.membership import inputs
from faceleak.membership.attackers import VIEW
from faceleak.membership.attacks import code_of
from faceleak.membership.inputs import AttackInput, known_images
from faceleak.membership.options import AttackOptions, ThreatModel
from faceleak.membership.views import own_aucs, own_aucs_of_shadows
from faceleak.tuning.options import SearchSpace, TuningOptions
from faceleak.tuning.space import parameters_of, suggest_attack
from faceleak.tuning.study import WITHOUT_EFFECT, Plan, run_plan, versions
from faceleak.work.compute import ComputeOptions
from faceleak.work.tasks import code_version, fingerprint

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

    from faceleak.membership.options import AttackOptions


@dataclass(frozen=True, eq=False)
class OwnData:
    """What the attacker has: its people as the target shows them, or shadows."""

    threat_model: ThreatModel
    inputs: list[AttackInput]

    def aucs(self, attack: AttackOptions) -> Iterator[float]:
        """AUC in 0…1 after each fold over people, or pair of shadows, on all judged so far. Raises AttackFitError."""
        if self.threat_model == "shadow":
            return own_aucs_of_shadows(self.inputs, attack)
        return own_aucs(self.inputs[0], attack)


def own_data(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    threat_model: ThreatModel,
) -> OwnData:
    """Leave out all that the attacker does not have. Tables as for `fitting.fit_attacks`, signals of one view."""
    if threat_model == "shadow":
        return OwnData(threat_model, inputs.of_references(reference_signals))
    known = known_images(splits)[["image_id", "identity", "is_member"]]
    return OwnData(threat_model, [inputs.of_target(known, signals.drop(columns=VIEW), calibration_signals)])


def own_shares(reference_signals: pd.DataFrame, splits: pd.DataFrame, threat_model: ThreatModel) -> dict[str, float]:
    """Population → share in 0…1 of the attacker's own non-member images that are of it."""
    images = reference_signals if threat_model == "shadow" else known_images(splits)
    shares = images.loc[~images["is_member"], "role"].value_counts(normalize=True)
    return {str(population): float(share) for population, share in shares.items()}


@dataclass(frozen=True, eq=False)
class Objective:
    """One trial: choose an attack of the space and judge it fold by fold. Raises TrialPruned, AttackFitError."""

    data: OwnData
    space: SearchSpace

    def __call__(self, trial: "Trial") -> float:
        """AUC in 0…1 over all folds; higher is better."""
        from optuna import TrialPruned

        value = float("nan")
        for fold, value in enumerate(self.data.aucs(suggest_attack(trial, self.space)), start=1):
            trial.report(value, fold)
            if trial.should_prune():
                raise TrialPruned
        return value


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
    tables = [table for part in data.inputs for table in (part.images, part.own, *part.references)]
    non_members = [pd.DataFrame(part.out) for part in data.inputs]
    chosen = options.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    return fingerprint(
        chosen, default, *tables, *non_members, code_version(__name__, *code_of(options.space.attacks())), versions()
    )
