"""Settings of an audit from Python: `conf/base`, with what follows from the backbone, and the user's changes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from faceleak.backbones.architectures import ARCHITECTURES
from faceleak.backbones.card import BackboneCard, height_and_width
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.named import check_name
from faceleak.common.options import Options, describe
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions, completed
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reporting.audit.evidence import Configuration
from faceleak.reporting.options import ReportOptions
from faceleak.work.compute import ComputeOptions

BASE = Path(__file__).with_name("base")  # a link to conf/base in the repository, a copy of it where it is installed
CHANGEABLE: dict[str, tuple[str, ...]] = {  # by the user: blocks, and keys of blocks of which the rest is given
    "bootstrap": tuple(BootstrapOptions.model_fields),
    "compute": tuple(ComputeOptions.model_fields),
    "faces": ("splits", "validation", "quarantine", "duplicates"),
    "membership": tuple(MembershipOptions.model_fields),
    "target": ("utility",),
}
SIDES = 16  # pixels, of which sides of images are multiples where backbones are trained
SEEDS = (  # whose sum with the seed of an audit is taken
    ("faces", "splits", "seed"),
    ("membership", "references", "seed"),
    ("membership", "references", "training", "seed"),
    ("bootstrap", "seed"),
)
GIVEN = "given"

Tree = dict[str, Any]
Attacks = Sequence[str] | Mapping[str, Mapping[str, Any]]


class SettingsError(FaceleakError):
    """A setting is unknown or has a wrong value."""


class Settings(Options):
    """The blocks of the configuration that an audit takes."""

    compute: ComputeOptions
    """Where work runs."""
    bootstrap: BootstrapOptions
    """How intervals are made."""
    faces: FacesOptions
    """Which part each person plays, and what is accepted."""
    target: TargetOptions
    """The backbone under audit."""
    membership: MembershipOptions
    """Attacks on membership."""
    attackers: list[AttackerName]
    """Who attacks the target."""
    reconstruction: ReconstructionOptions
    """Stage 2, which the report names."""
    defense: DefenseOptions
    """Defenses, which the report names."""
    report: ReportOptions
    """What the report shows."""

    def configuration(self) -> Configuration:
        """The same as the report takes it."""
        return Configuration(**{name: getattr(self, name) for name in Configuration.__dataclass_fields__})


def make_settings(
    card: BackboneCard,
    changes: Mapping[str, Any],
    attacks: Attacks | None,
    cache: Path,
    device: str,
    seed: int,
    roles: Mapping[str, Any] | None = None,
) -> Settings:
    """Return what `conf/base` says, then what follows from the card and the arguments, then the user's `changes`.

    roles: how many people play which role, if that is known already. Raises SettingsError with a line for each problem.
    """
    _check_keys(changes)
    tree = _base()
    tree["compute"] |= {"cache": str(cache), "device": device, "workers": 1}
    for *blocks, key in SEEDS:
        block = tree
        for name in blocks:
            block = block[name]
        block[key] += seed
    tree = merged(tree, {"membership": {"references": {"training": _alike(card)}}})
    if roles is not None:
        tree["faces"]["splits"]["roles"] = dict(roles)
    if attacks is not None:
        tree["membership"]["attacks"] = _chosen(attacks, tree["membership"]["attacks"])
    try:
        found = Settings.model_validate(completed(merged(tree, changes)))
    except ValidationError as error:
        lines = "\n".join(f"  {describe(problem)}" for problem in error.errors())
        raise SettingsError(f"These settings cannot be used, so nothing was computed:\n{lines}") from error
    faces = found.faces.model_copy(update={"source": GIVEN, "demo": None})
    target = found.target.model_copy(update={"source": "load", "train": None})
    return found.model_copy(update={"faces": faces, "target": target})


def share_of_public_people() -> float:
    """How many of the attacker's people everybody may use, as in `conf/base`."""
    roles = _base()["faces"]["splits"]["roles"]
    public, auxiliary = roles["public"]["people"], roles["auxiliary"]["people"]
    return float(public / (public + auxiliary))


def merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> Tree:
    """A tree with the changes laid over it: blocks are merged, everything else is replaced."""
    laid_over = dict(tree)
    for key, value in changes.items():
        below = laid_over.get(key)
        laid_over[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return laid_over


def _base() -> Tree:
    files = [yaml.safe_load(path.read_text()) for path in sorted(BASE.glob("parameters*.yml"))]
    found = {key: value for file in files for key, value in file.items()}
    return {key: value for key, value in found.items() if key in Settings.model_fields}


def _check_keys(changes: Mapping[str, Any]) -> None:
    for block, keys in changes.items():
        allowed = CHANGEABLE[check_name(block, "block of settings", CHANGEABLE, SettingsError)]
        if not isinstance(keys, Mapping):
            raise SettingsError(f"The settings of {block} are {keys!r}, but a block holds keys: {', '.join(allowed)}.")
        for key in keys:
            check_name(key, f"key of the block {block}", allowed, SettingsError)


def _alike(card: BackboneCard) -> Tree:
    """How references are trained as far as it follows from the target: the same network, if it can be trained here."""
    size = card.preprocessing.image_size
    if any(side % SIDES for side in height_and_width(size)):
        return {}
    if card.architecture not in ARCHITECTURES or card.normalization == "folded":
        return {"image_size": size}
    return {
        "architecture": card.architecture,
        "normalization": card.normalization,
        "embedding_size": card.embedding_size,
        "image_size": size,
    }


def _chosen(attacks: Attacks, known: Mapping[str, Any]) -> Tree:
    if isinstance(attacks, Mapping):
        return {name: dict(block) for name, block in attacks.items()}
    names = [attacks] if isinstance(attacks, str) else attacks
    return {name: known[check_name(name, "attack", known, SettingsError)] for name in names}
