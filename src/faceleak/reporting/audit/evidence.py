"""All that a report is made from: result files, the configuration, and where both come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from faceleak.backbones.target_options import TargetOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.access import MEMBERSHIP, UPPER_BOUND, AttackAccess, access_of
from faceleak.membership.attackers import UNDEFENDED, AttackerName, suffix_of
from faceleak.membership.options import MembershipOptions, ThreatModel
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reporting.audit.files import ResultFiles, Tree, made_by
from faceleak.reporting.audit.parts import Missing, Part
from faceleak.reporting.options import ReportOptions
from faceleak.reporting.verdict import is_blind


class Origin(Part):
    """Where a run comes from: commit, whether it was changed since, configuration environment, command, software."""

    commit: str
    uncommitted_changes: bool
    environment: str
    command: str
    software: dict[str, str]


@dataclass(frozen=True)
class Configuration:
    """The blocks of the configuration that say what was tested."""

    faces: FacesOptions
    target: TargetOptions
    membership: MembershipOptions
    attackers: list[AttackerName]
    reconstruction: ReconstructionOptions
    defense: DefenseOptions
    bootstrap: BootstrapOptions
    report: ReportOptions


@dataclass(frozen=True)
class Attack:
    """An attack on membership as metrics name it, taken apart."""

    name: str
    threat_model: ThreatModel
    attacker: AttackerName
    access: AttackAccess


@dataclass(frozen=True)
class Evidence:
    """Result files, configuration and origin."""

    files: ResultFiles
    configuration: Configuration
    origin: Origin

    @cached_property
    def attacks(self) -> dict[str, Attack]:
        """Every attack of the configuration by the names that it can have in metrics."""
        return {
            f"{name}_{threat_model}{suffix_of(attacker)}": Attack(name, threat_model, attacker, access_of(options))
            for name, options in self.configuration.membership.attacks.items()
            for threat_model in get_args(ThreatModel)
            for attacker in get_args(AttackerName)
        }

    def stage(self, file: str, stage: str, variant: str = UNDEFENDED) -> Tree:
        """The metrics of one stage of a variant; empty where the file or the stage is missing."""
        variants: Mapping[str, Any] = self.files.tree(file) or {}
        found: Tree = variants.get(variant, {}).get(stage, {})
        return found

    @cached_property
    def membership(self) -> Tree:
        """What the attacks on the target itself found: attack → population → metrics."""
        return self.stage("membership_metrics.json", MEMBERSHIP)

    @cached_property
    def upper_bound(self) -> Tree:
        """What attacks that take the classification head found: attack → population → metrics."""
        return self.stage("membership_metrics.json", UPPER_BOUND)

    @cached_property
    def utility(self) -> Tree:
        """What the target is worth on people whom it never saw."""
        return self.stage("utility_metrics.json", "utility")

    @cached_property
    def blind(self) -> Tree:
        """The blind baseline: population → metrics."""
        return next((dict(found) for attack, found in self.membership.items() if is_blind(attack)), {})

    @cached_property
    def measured_attacks(self) -> set[str]:
        """The attacks of the configuration of which there are results, upper bounds among them."""
        return {self.attacks[name].name for name in {**self.membership, **self.upper_bound} if name in self.attacks}

    def membership_by(self, *accesses: AttackAccess) -> dict[str, Any]:
        """The same for attackers who have one of these accesses, without the blind baseline.

        An attack that the configuration does not know is counted among those that take the weights.
        """
        return {
            attack: populations
            for attack, populations in self.membership.items()
            if not is_blind(attack)
            and (self.attacks[attack].access if attack in self.attacks else "weights") in accesses
        }

    def access_of(self, attack: str) -> AttackAccess:
        """What an attack of the configuration takes; `weights` where the configuration does not know it."""
        options = self.configuration.membership.attacks.get(attack)
        return "weights" if options is None else access_of(options)

    @cached_property
    def reconstruction(self) -> Tree:
        """What reconstruction from the target found: attack → step → metrics."""
        return self.stage("reconstruction_metrics.json", "reconstruction")

    def command(self, pipeline: str) -> str:
        """How to run a pipeline in the environment of this report."""
        environment = self.origin.environment
        return f"kedro run --pipelines={pipeline}" + ("" if environment == "base" else f" --env={environment}")

    def missing(self, what: str, file: str) -> Missing:
        """Say that something is missing, and which command makes the file that it is from."""
        return Missing(what=what, command=self.command(made_by(file) or "audit"))
