"""All parameters as one model, checked before any work."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError, model_validator

from faceleak.backbones.target_options import TargetOptions
from faceleak.common.errors import FaceleakError, kedro_run
from faceleak.common.options import Options, TrackingOptions, describe
from faceleak.defenses.options import DefenseOptions
from faceleak.erasure.options import ErasureOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.models import registry as models
from faceleak.membership.options import CALIBRATED_SHADOWS, ONLINE_TARGETS, MembershipOptions, ThreatModel, completed
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.options import PlanOptions
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reconstruction.prior_training.options import PriorTrainingOptions
from faceleak.reporting.options import GateOptions, ReportOptions
from faceleak.tuning.options import TuningOptions
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions
from faceleak.work.compute import ComputeOptions


class ConfigurationError(FaceleakError):
    """A parameter in `conf/` or on the command line is unknown or has a wrong value."""


class Parameters(Options):
    """Everything under `conf/<env>/parameters*.yml`."""

    compute: ComputeOptions = ComputeOptions()
    """Where work runs."""
    bootstrap: BootstrapOptions = BootstrapOptions()
    """How intervals are made."""
    faces: FacesOptions
    """Where images come from and which part each person plays."""
    target: TargetOptions
    """The backbone under audit."""
    membership: MembershipOptions
    """Attacks on membership."""
    attackers: list[AttackerName] = Field(["plain"], min_length=1)
    """Who attacks the target when no defense is judged."""
    reconstruction: ReconstructionOptions
    """Stage 2: faces out of the target."""
    prior: PriorTrainingOptions
    """Training of a prior of your own."""
    defense: DefenseOptions
    """Defenses, and who attacks them."""
    erasure: ErasureOptions | None = None
    """Whether people were forgotten, by which method, and at what cost."""
    report: ReportOptions = ReportOptions()
    """What the report shows."""
    gate: GateOptions | None = None
    """What has to hold before a release."""
    tracking: TrackingOptions = TrackingOptions()
    """What MLflow records in addition to parameters and metrics."""
    tuning: TuningOptions
    """Search for the best attack on membership."""
    plan: PlanOptions = PlanOptions()
    """What is known of the machine and the data before a run."""
    tuning_reconstruction: ReconstructionTuningOptions
    """Search for the best search of stage 2."""

    @model_validator(mode="before")
    @classmethod
    def _let_references_follow_the_target(cls, given: Any) -> Any:
        return completed(given) if isinstance(given, dict) else given


@dataclass(frozen=True)
class Check:
    """What blocks have to have of each other: `find` raises ValueError if a run that makes any of `made` lacks it.

    `of_runs`: whether nothing is wrong with the configuration as long as nobody asks for such a run.
    """

    made: tuple[str, ...]
    of_runs: bool
    find: Callable[[Parameters], None]


CHECKS: list[Check] = []


def _needed_for(
    *made: str, of_runs: bool = False
) -> Callable[[Callable[[Parameters], None]], Callable[[Parameters], None]]:
    def note(find: Callable[[Parameters], None]) -> Callable[[Parameters], None]:
        CHECKS.append(Check(made, of_runs, find))
        return find

    return note


@_needed_for("reconstructions", "defense.reconstructions", "person_faces", "tuning_reconstructions", "plan")
def _reconstruct_by_a_configured_attack(parameters: Parameters) -> None:
    search, attacks = parameters.reconstruction.search, parameters.membership.attacks
    if search.attack not in attacks:
        raise ValueError(
            f"reconstruction.search.attack is {search.attack!r}, but membership.attacks has {', '.join(attacks)}"
        )
    takes_gradients = optimizers.constant(search.optimizer, "TAKES_GRADIENTS")
    if not takes_gradients and not attacks[search.attack].reads_single_images():
        raise ValueError(
            f"reconstruction.search.attack is {search.attack!r}, but `{search.optimizer}` maximizes attacks on signals "
            "of single images, and not `online`"
        )
    if takes_gradients and not attacks[search.attack].is_differentiable():
        maximized = " or ".join(f"`{name}`" for name in models.names() if models.is_differentiable(name))
        raise ValueError(
            f"reconstruction.search.attack is {search.attack!r}, but stage 2 maximizes a {maximized} attack "
            "on signals of single images and all layers, without calibration or with `features`; "
            "reconstruction.search.optimizer `cma_es` takes other models and calibrations"
        )
    if attacks[search.attack].calibration is not None and search.threat_model == "shadow":
        raise ValueError(
            f"reconstruction.search.attack is {search.attack!r}, which is calibrated, under `shadow`; stage 2 "
            "maximizes calibrated attacks under `partial_knowledge` alone"
        )
    _search_under(search.threat_model, "membership", parameters.membership.threat_models)


@_needed_for("defense.reconstructions", "plan")
def _reconstruct_variants_by_an_attack_on_them(parameters: Parameters) -> None:
    _search_under(parameters.reconstruction.search.threat_model, "defense", parameters.defense.threat_models)


def _search_under(threat_model: ThreatModel, block: str, allowed: list[ThreatModel]) -> None:
    if threat_model not in allowed:
        raise ValueError(
            f"reconstruction.search.threat_model is {threat_model!r}, but {block}.threat_models has "
            f"{', '.join(allowed)}"
        )


@_needed_for("defense.shadow_models", "plan")
def _have_what_defended_shadows_take(parameters: Parameters) -> None:
    defense, membership = parameters.defense, parameters.membership
    if "shadow" not in defense.threat_models:
        return
    calibrated = [name for name, attack in membership.offline_attacks().items() if attack.calibration]
    if calibrated and membership.references.count < CALIBRATED_SHADOWS:
        raise ValueError(
            f"defense.threat_models has `shadow`, and membership.references.count is "
            f"{membership.references.count}, but {', '.join(calibrated)} under `shadow` takes "
            f"{CALIBRATED_SHADOWS}: a shadow is calibrated by others that never saw the person"
        )
    if "adaptive" in defense.attackers and "public" not in parameters.faces.splits.roles:
        raise ValueError(
            "defense.threat_models has `shadow`, whose adaptive attacker bypasses the defense of its references on "
            "faces of the role `public`, and there is no such role: give it people in faces.splits.roles, or take "
            "`shadow` out of defense.threat_models"
        )


@_needed_for("tuned_attack")
def _tune_beside_a_configured_attack(parameters: Parameters) -> None:
    tuning, membership = parameters.tuning, parameters.membership
    if tuning.default not in membership.attacks:
        attacks = ", ".join(membership.attacks)
        raise ValueError(f"tuning.default is {tuning.default!r}, but membership.attacks has {attacks}")
    if tuning.threat_model == "shadow" and membership.references.count < CALIBRATED_SHADOWS:
        raise ValueError(
            f"tuning.threat_model is `shadow`, which holds out pairs of references and takes {CALIBRATED_SHADOWS}, "
            f"but membership.references.count is {membership.references.count}"
        )
    if parameters.compute.address is not None and tuning.workers > 1 and tuning.storage is None:
        raise ValueError(
            f"tuning.workers is {tuning.workers} on the cluster of compute.address, but tuning.storage names "
            "no database that its nodes share (docs/scale.md); give one, or set tuning.workers to 1"
        )


@_needed_for("repeated_targets", "sweep_table", of_runs=True)
def _train_targets(parameters: Parameters) -> None:
    if parameters.target.source != "train":
        raise ValueError(
            "target.source is `load`, but repeats and sweeps train targets: describe the training in target.train with "
            f"target.source `train`, or leave these pipelines out ({kedro_run('attack,report')})"
        )


@_needed_for("record_scores", of_runs=True)
def _name_whose_risk_is_told(parameters: Parameters) -> None:
    if parameters.membership.risk is None:
        raise ValueError("membership.risk is missing: name the calibrated attack by which records are ranked")


@_needed_for("sweep_table", of_runs=True)
def _say_what_to_sweep_over(parameters: Parameters) -> None:
    if parameters.membership.sweep is None:
        raise ValueError("membership.sweep is missing: it says which training sets to compare. See --env=sweep")


@_needed_for("record_scores")
def _tell_the_risk_by_a_calibrated_attack(parameters: Parameters) -> None:
    membership = parameters.membership
    if (risk := membership.risk) is None:
        return
    chosen = membership.attacks.get(risk.attack)
    allowed = chosen is not None and chosen.calibration == "bavaria" and not chosen.online
    if not allowed or risk.threat_model not in membership.threat_models:
        raise ValueError(
            f"membership.risk names {risk.attack!r} under {risk.threat_model!r}; it takes an attack of "
            "membership.attacks whose `calibration` is `bavaria`, not `online`, under one of its threat models"
        )


@_needed_for("target_scores")
def _have_targets_to_calibrate_online_with(parameters: Parameters) -> None:
    membership = parameters.membership
    online = ", ".join(membership.online_attacks())
    if online and membership.targets < ONLINE_TARGETS:
        raise ValueError(
            f"membership.targets is {membership.targets}, but {online} is calibrated by the other targets, some of "
            "which have to be trained on an image and some not: raise membership.targets to "
            f"{ONLINE_TARGETS} at least, or leave `online` attacks out"
        )


@_needed_for("sweep_table")
def _sweep_with_an_attack_that_needs_no_references(parameters: Parameters) -> None:
    membership = parameters.membership
    if membership.sweep is None:
        return
    chosen = membership.attacks.get(membership.sweep.attack)
    if chosen is None or chosen.calibration is not None:
        raise ValueError(
            f"membership.sweep.attack is {membership.sweep.attack!r}; it takes an attack of membership.attacks "
            "without calibration"
        )


def check_parameters(parameters: dict[str, Any], made: Collection[str] | None = None) -> Parameters:
    """Validate all parameters. Raises ConfigurationError with a line for each problem.

    made: the datasets that a run makes: what it does not use need not fit together. Without a run, all that is there
    has to.
    """
    try:
        checked = Parameters.model_validate(parameters)
    except ValidationError as error:
        raise _refused([describe(problem) for problem in error.errors()]) from error
    problems = []
    for check in CHECKS:
        if not check.of_runs if made is None else not set(made).isdisjoint(check.made):
            try:
                check.find(checked)
            except ValueError as error:
                problems.append(f"{error}.")
    if problems:
        raise _refused(problems)
    return checked


def _refused(problems: list[str]) -> ConfigurationError:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return ConfigurationError(
        f"The configuration is not valid, so nothing was run:\n{lines}\nParameters live in conf/base and conf/<env>."
    )
