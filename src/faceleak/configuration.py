"""All parameters as one model, checked before any work."""

from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from faceleak.backbones.target_options import TargetOptions
from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.errors import FaceleakError
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import CALIBRATED_SHADOWS, MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.options import Options, TrackingOptions
from faceleak.planning.options import PlanOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reconstruction.prior_training.options import PriorTrainingOptions
from faceleak.reporting.options import GateOptions, ReportOptions
from faceleak.tuning.options import TuningOptions
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions


class ConfigurationError(FaceleakError):
    """A parameter in `conf/` or on the command line is unknown or has a wrong value."""


class Parameters(Options):
    """Everything under `conf/<env>/parameters*.yml`.

    `attackers`: who attacks the target when no defence is judged.
    """

    compute: ComputeOptions = ComputeOptions()
    bootstrap: BootstrapOptions = BootstrapOptions()
    faces: FacesOptions
    target: TargetOptions
    membership: MembershipOptions
    attackers: list[AttackerName] = Field(["plain"], min_length=1)
    reconstruction: ReconstructionOptions
    prior: PriorTrainingOptions
    defense: DefenseOptions
    report: ReportOptions = ReportOptions()
    gate: GateOptions | None = None
    tracking: TrackingOptions = TrackingOptions()
    tuning: TuningOptions
    plan: PlanOptions = PlanOptions()
    tuning_reconstruction: ReconstructionTuningOptions

    @model_validator(mode="after")
    def _reconstruct_by_a_configured_attack(self) -> "Parameters":
        search, attacks = self.reconstruction.search, self.membership.attacks
        if search.attack not in attacks:
            raise ValueError(
                f"reconstruction.search.attack is {search.attack!r}, but membership.attacks has {', '.join(attacks)}"
            )
        if search.optimiser == "cma_es" and not attacks[search.attack].reads_single_images():
            raise ValueError(
                f"reconstruction.search.attack is {search.attack!r}, but `cma_es` climbs an attack on signals of "
                "single images, and not `online`"
            )
        if search.optimiser == "adam" and not attacks[search.attack].is_differentiable():
            raise ValueError(
                f"reconstruction.search.attack is {search.attack!r}, but stage 2 climbs a `logistic` or `mlp` attack "
                "on signals of single images and all layers, without calibration or with `features`; "
                "reconstruction.search.optimiser `cma_es` takes other models and calibrations"
            )
        if attacks[search.attack].calibration is not None and search.threat_model == "shadow":
            raise ValueError(
                f"reconstruction.search.attack is {search.attack!r}, which is calibrated, under `shadow`; stage 2 "
                "climbs calibrated attacks under `partial_knowledge` alone"
            )
        allowed = {"membership": self.membership.threat_models, "defense": self.defense.threat_models}
        for block, threat_models in allowed.items():
            if search.threat_model not in threat_models:
                raise ValueError(
                    f"reconstruction.search.threat_model is {search.threat_model!r}, but {block}.threat_models has "
                    f"{', '.join(threat_models)}"
                )
        return self

    @model_validator(mode="after")
    def _have_what_defended_shadows_take(self) -> "Parameters":
        if "shadow" not in self.defense.threat_models:
            return self
        calibrated = [name for name, attack in self.membership.offline_attacks().items() if attack.calibration]
        if calibrated and self.membership.references.count < CALIBRATED_SHADOWS:
            raise ValueError(
                f"defense.threat_models has `shadow`, and membership.references.count is "
                f"{self.membership.references.count}, but {', '.join(calibrated)} under `shadow` takes "
                f"{CALIBRATED_SHADOWS}: a shadow is calibrated by others that never saw the person"
            )
        if "adaptive" in self.defense.attackers and "public" not in self.faces.splits.roles:
            raise ValueError(
                "defense.threat_models has `shadow`, whose adaptive attacker undoes the defence of its references on "
                "faces of the role `public`, and there is no such role: give it people in faces.splits.roles, or take "
                "`shadow` out of defense.threat_models"
            )
        return self

    @model_validator(mode="after")
    def _tune_beside_a_configured_attack(self) -> "Parameters":
        if self.tuning.default not in self.membership.attacks:
            attacks = ", ".join(self.membership.attacks)
            raise ValueError(f"tuning.default is {self.tuning.default!r}, but membership.attacks has {attacks}")
        if self.tuning.threat_model == "shadow" and self.membership.references.count < CALIBRATED_SHADOWS:
            raise ValueError(
                f"tuning.threat_model is `shadow`, which holds out pairs of references and takes {CALIBRATED_SHADOWS}, "
                f"but membership.references.count is {self.membership.references.count}"
            )
        if self.compute.address is not None and self.tuning.workers > 1 and self.tuning.storage is None:
            raise ValueError(
                f"tuning.workers is {self.tuning.workers} on the cluster of compute.address, but tuning.storage names "
                "no database that its nodes share (docs/scale.md); give one, or set tuning.workers to 1"
            )
        return self


def check_parameters(parameters: dict[str, Any]) -> Parameters:
    """Validate all parameters. Raises ConfigurationError with a line for each problem."""
    try:
        return Parameters.model_validate(parameters)
    except ValidationError as error:
        lines = "\n".join(f"  {_describe(problem)}" for problem in error.errors())
        raise ConfigurationError(
            f"The configuration is not valid, so nothing was run:\n{lines}\n"
            "Parameters live in conf/base and conf/<env>."
        ) from error


def _describe(problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "parameters"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}). Remove it or correct its spelling."
    if problem["type"] == "missing":
        return f"{key}: missing. Give it a value."
    if problem["type"] == "value_error":
        return f"{key}: {problem['msg'].removeprefix('Value error, ')}."
    hint = " If it is a name, put it in quotes: YAML reads it otherwise." if problem["type"] == "string_type" else ""
    return f"{key}: {problem['input']!r} is not allowed. {problem['msg']}.{hint}"
