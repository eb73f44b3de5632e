"""Tuning of stage 1: signals once, a study on the attacker's own data, the best attack judged on fresh people."""

import pandas as pd

from faceleak.auditing.kinds import Figure
from faceleak.common.trees import Metrics, Tree
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.tuning.options import TuningOptions
from faceleak.work.compute import ComputeOptions

TUNED = "tuned"


def list_candidates(membership: MembershipOptions, tuning: TuningOptions) -> MembershipOptions:
    """What has to be read: the `membership` block with an attack that reads all that any attack of the space reads.

    Raises OutsideSpaceError where the space does not hold the default, HeadInSpaceError where an attack takes the head.
    """
    from faceleak.tuning.space import check_access, check_default

    check_access(tuning)
    check_default(membership.attacks[tuning.default], tuning)
    return membership.model_copy(update={"attacks": {"candidates": tuning.space.largest()}})


def run_study(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    membership: MembershipOptions,
    tuning: TuningOptions,
    compute: ComputeOptions,
) -> tuple[pd.DataFrame, dict[str, float], Tree, Figure]:
    """Try attacks on the attacker's own data: the trials, what mattered, the best attack as `--config` takes it."""
    from faceleak.reporting.tuning import study_figure
    from faceleak.tuning.attack_study import own_data, try_attacks
    from faceleak.tuning.results import best_attack, importances, trials_table

    data = own_data(signals, reference_signals, calibration_signals, splits, tuning.threat_model)
    trials = try_attacks(data, membership.attacks[tuning.default], tuning, compute)
    table, shares = trials_table(trials), importances(trials, tuning.seed)
    best = best_attack(trials, tuning.space).model_dump(mode="json", exclude_defaults=True)
    config = {"run": {"params": {"membership": {"attacks": {TUNED: best}}}}}
    return table, shares, config, study_figure(table, shares)


def judge_on_fresh_people(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    tuned_attack: Tree,
    membership: MembershipOptions,
    tuning: TuningOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Fit the default and the tuned attack; score the people that neither the study nor the fitting saw."""
    from faceleak.membership.fitting import fit_attacks
    from faceleak.membership.scoring import score_images

    attacks = {
        tuning.default: membership.attacks[tuning.default],
        TUNED: AttackOptions(**tuned_attack["run"]["params"]["membership"]["attacks"][TUNED]),
    }
    tables = signals, reference_signals, calibration_signals, splits
    fitted = fit_attacks(*tables, attacks, [tuning.threat_model], compute=compute)
    return score_images(signals, calibration_signals, fitted, splits, ["plain"])


def compare_with_default(
    scores: pd.DataFrame,
    trials: pd.DataFrame,
    reference_signals: pd.DataFrame,
    splits: pd.DataFrame,
    tuning: TuningOptions,
    bootstrap: BootstrapOptions,
) -> tuple[Metrics, Figure]:
    """Measure what tuning brought: variant → tuning → attack → metrics, and its figure."""
    from faceleak.membership.attackers import UNDEFENDED
    from faceleak.membership.options import ModelKey
    from faceleak.reporting.tuning import OVER, fresh_figure
    from faceleak.tuning.attack_study import own_shares
    from faceleak.tuning.results import Contender, compare

    complete = trials[trials["state"] == "complete"]["own_auc"]
    of_attack = {str(name): rows for name, rows in scores.groupby("attack")}
    measured = compare(
        Contender(float(complete.iloc[0]), of_attack[tuning.default]),
        Contender(float(complete.max()), of_attack[TUNED]),
        own_shares(reference_signals, splits, tuning.threat_model),
        bootstrap,
    )
    names = {"default": tuning.default, "tuned": TUNED, "tuned_over_default": f"{TUNED}{OVER}{tuning.default}"}
    named = {ModelKey(names[key], tuning.threat_model).name: values for key, values in measured.items()}
    return {UNDEFENDED: {"tuning": named}}, fresh_figure(named)
