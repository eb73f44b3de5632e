"""Inputs of the report: result files, the configuration, and their origin."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_type_hints

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from faceleak.backbones.target_options import TargetOptions
from faceleak.common.errors import kedro_run
from faceleak.common.trees import flatten
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import UNDEFENDED, AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.membership.views import MEMBERSHIP, UPPER_BOUND, AttackAccess, access_of
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reporting.audit.files import SPLITS, TARGET_CARD, ResultFiles, Tree, made_by
from faceleak.reporting.audit.parts import Missing, Part
from faceleak.reporting.options import ReportOptions
from faceleak.reporting.recommendation import Recommendation, recommend
from faceleak.reporting.results import (
    RECONSTRUCTION,
    UTILITY,
    AttackName,
    Membership,
    Variant,
    names_in_metrics,
    read_variant,
)
from faceleak.reporting.verdict import is_blind


class Origin(Part):
    """Where a run comes from: commit, whether it was changed since, configuration environment, command, software."""

    commit: str
    uncommitted_changes: bool
    environment: str
    command: str
    software: dict[str, str]


FROM_PYTHON = "faceleak.audit(…)"  # the command of an audit without a project
PACKAGES = ("faceleak", "torch", "numpy", "pandas", "scikit-learn", "kornia", "opacus", "kedro", "mlflow")


def software() -> dict[str, str]:
    """Versions of Python, of the system, and of the packages from which numbers come."""
    return {"Python": platform.python_version(), "system": platform.platform(), **dict(map(_version, PACKAGES))}


def _version(package: str) -> tuple[str, str]:
    try:
        return package, version(package)
    except PackageNotFoundError:
        return package, "not installed"


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


POINTS = "privacy_utility.csv"
STAGES = {"utility": (UTILITY,), "membership": (MEMBERSHIP, UPPER_BOUND), "reconstruction": (RECONSTRUCTION,)}
JUDGED_BY = {  # a block of the configuration → the result that tells what it was
    "faces": SPLITS,
    "target": TARGET_CARD,
    "membership": "membership_metrics.json",
    "attackers": "membership_metrics.json",
    "bootstrap": "membership_metrics.json",
    "reconstruction": "reconstruction_metrics.json",
    "defense": "defense_membership_metrics.json",
}


@dataclass(frozen=True)
class Change:
    """A setting that is another one now than results were made with."""

    setting: str
    now: Any
    then: Any
    results: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Result files, the configuration as it is now, and origin."""

    files: ResultFiles
    now: Configuration
    origin: Origin

    @cached_property
    def configuration(self) -> Configuration:
        """What the results were made with, each block as its own result tells; as it is now if none does."""
        blocks = {name: getattr(self.made_with(file), name) for name, file in JUDGED_BY.items()}
        return replace(self.now, **blocks)

    def made_with(self, file: str) -> Configuration:
        """What one result was made with, as far as it is written down."""
        return self._made_with.get(file, self.now)

    @cached_property
    def _made_with(self) -> dict[str, Configuration]:
        found = {}
        for file in self.results:
            recorded = self.files.made_with(file)
            if recorded is not None:
                blocks = {name: recorded.parameters[name] for name in JUDGED_BY.keys() & recorded.parameters.keys()}
                with suppress(ValidationError):  # of a version that knew other settings
                    found[file] = replace(self.now, **{name: _parsed(name, value) for name, value in blocks.items()})
        return found

    @cached_property
    def results(self) -> list[str]:
        """The results that say, or could say, what they were made with."""
        return [*(file for file in (SPLITS, TARGET_CARD) if self.files.has(file)), *self.files.metrics()]

    @cached_property
    def not_written_down(self) -> list[str]:
        """The results whose settings are unknown."""
        return [file for file in self.results if file not in self._made_with]

    @cached_property
    def changes(self) -> list[Change]:
        """All settings that are others now than results were made with."""
        now, found = _settings(self.now), dict[tuple[str, str], tuple[Any, list[str]]]()
        for file, configuration in self._made_with.items():
            then = _settings(configuration)
            for setting in (name for name in {**now, **then} if now.get(name) != then.get(name)):
                value = then.get(setting)
                found.setdefault((setting, str(value)), (value, []))[1].append(file)
        return [Change(setting, now.get(setting), then, tuple(files)) for (setting, _), (then, files) in found.items()]

    @cached_property
    def attacks(self) -> dict[str, AttackName]:
        """Every name that an attack of the configuration can have in metrics, and what it is made of."""
        return names_in_metrics(self.configuration.membership.attacks)

    def stage(self, file: str, stage: str, variant: str = UNDEFENDED) -> Tree:
        """The metrics of one stage of a variant; empty if the file or the stage is missing."""
        variants: Mapping[str, Any] = self.files.tree(file) or {}
        found: Tree = variants.get(variant, {}).get(stage, {})
        return found

    @cached_property
    def target(self) -> Variant:
        """What was measured of the target itself."""
        stages = {stage: self.stage(f"{room}_metrics.json", stage) for room, found in STAGES.items() for stage in found}
        return read_variant(UNDEFENDED, stages)

    @cached_property
    def measured_attacks(self) -> set[str]:
        """The attacks of the configuration of which there are results, upper bounds among them."""
        found = {**self.target.membership.tree, **self.target.upper_bound.tree}
        return {self.attacks[name].attack for name in found if name in self.attacks}

    def membership_by(self, *accesses: AttackAccess) -> Membership:
        """Metrics of the attackers with one of these accesses, without the blind baseline.

        An attack that the configuration does not know is counted among those that take the weights.
        """
        membership = self.target.membership
        return membership.only(
            name for name in membership.tree if not is_blind(name) and self._access(name) in accesses
        )

    def _access(self, name: str) -> AttackAccess:
        attack = self.attacks[name].attack if name in self.attacks else ""
        return taken_by(attack, self.configuration.membership)

    @cached_property
    def hits(self) -> pd.DataFrame | None:
        """One row a step and member that was found on the undefended target; None if there is no list."""
        hits = self.files.table("hits.csv")
        return None if hits is None else hits[hits["evaluation"] == UNDEFENDED].drop(columns="evaluation")

    @cached_property
    def risks(self) -> pd.DataFrame | None:
        """One row a person who was a member, most exposed first; None if no risks were measured."""
        return self.files.table("identity_risks.csv")

    @cached_property
    def points(self) -> pd.DataFrame | None:
        """The comparison of defenses, as `privacy_points.collect` gives it; None if there is none."""
        points = self.files.table(POINTS)
        return None if points is None else points.fillna({"bypass": ""})

    @cached_property
    def recommendation(self) -> Recommendation | None:
        """What the comparison recommends, by the goal that it was made with; None if nobody has asked for it."""
        if self.points is None or self.files.use("recommendation.md") is None:
            return None
        return recommend(self.points, self.configuration.defense.goal)

    @cached_property
    def reconstructed_by(self) -> AttackAccess:
        """What the attacker holds whose attack guided the reconstruction."""
        made_with = self.made_with("reconstruction_metrics.json")
        return taken_by(made_with.reconstruction.search.attack, made_with.membership)

    def command(self, pipeline: str) -> str:
        """How to run a pipeline in the environment of this report; after an audit from Python, in one that is made."""
        if self.origin.command == FROM_PYTHON:
            made = "kedro faceleak new NAME --faces PATH --weights PATH"
            return f"{made}, and then {kedro_run(pipeline, 'NAME')}, in a clone of faceleak (Python runs stage 1 alone)"
        return kedro_run(pipeline, self.origin.environment)

    def missing(self, what: str, file: str) -> Missing:
        """Say that something is missing, and which command makes the file that it is from."""
        return Missing(what=what, command=self.command(made_by(file) or "audit"))


def taken_by(attack: str, configured: MembershipOptions) -> AttackAccess:
    """What the attacker holds; `weights` if the configuration does not know the attack."""
    options = configured.attacks.get(attack)
    return "weights" if options is None else access_of(options)


def _parsed(block: str, recorded: Any) -> Any:
    return TypeAdapter(get_type_hints(Configuration)[block]).validate_python(recorded)


def _settings(configuration: Configuration) -> dict[str, Any]:
    """Every setting of the blocks that results depend on, by its whole name."""
    dumped = TypeAdapter(Configuration).dump_python(configuration, mode="json")
    return flatten({name: dumped[name] for name in JUDGED_BY}, ".")
