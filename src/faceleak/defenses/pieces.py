"""Variants and views as pieces of work: made side by side, kept by what they depend on, none made twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training import train_backbones
from faceleak.backbones.training_piece import CODE as TRAINING
from faceleak.backbones.training_piece import HASHED
from faceleak.compute import ComputeOptions, run_pieces
from faceleak.defenses import registry
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner, OwnFaces
from faceleak.defenses.undoing import registry as undoings
from faceleak.membership.attackers import undone_view
from faceleak.pieces import code_version, fingerprint


@dataclass(frozen=True)
class VariantPiece:
    """One defence of one backbone."""

    owner: Owner
    options: VariantOptions

    @cached_property
    def folder(self) -> Path:
        """Where the variant lies once it is there."""
        owner, options = self.owner, self.options
        training = None if owner.training is None else [owner.training.data_hash, owner.training.options.model_dump()]
        code = _code_of(registry.get(options.defense))
        parts = (options.defense, options.checked_settings(), options.seed, owner.public[HASHED], training, code)
        return (
            owner.compute.cache / "variants" / fingerprint(owner.backbone.weights_hash(), owner.backbone.card, *parts)
        )


@dataclass(frozen=True)
class ViewPiece:
    """One undoing of one released backbone."""

    released: Backbone
    undoing: str
    own: OwnFaces

    @cached_property
    def folder(self) -> Path:
        """Where the view lies once it is there."""
        code = _code_of(undoings.get(self.undoing))
        parts = (self.released.weights_hash(), self.released.card, self.undoing, code, self.own.images[HASHED])
        return self.own.compute.cache / "views" / fingerprint(*parts)


def make_variants(owner: Owner, variants: Sequence[VariantOptions], compute: ComputeOptions) -> dict[str, Backbone]:
    """Make every variant that is not in the cache yet, in parallel where there are cores; return all by name."""
    pieces = {options.name: VariantPiece(owner, options) for options in variants}
    missing = [piece for piece in pieces.values() if not _is_there(piece.folder)]
    train_backbones([training for piece in missing for training in _trainings(piece)], compute)
    run_pieces(make_variant, missing, compute)
    return {name: load_backbone(piece.folder) for name, piece in pieces.items()}


def make_variant(piece: VariantPiece) -> None:
    """Defend the owner's backbone and keep the result."""
    owner, options = piece.owner, piece.options
    owner = replace(owner, compute=owner.compute.model_copy(update={"workers": 1}))
    defended = registry.get(options.defense).defend(owner, options.checked_settings(), options.seed)
    save_backbone(defended, piece.folder)


def make_views(
    variants: Mapping[str, Backbone], undoings_of: Mapping[str, Sequence[str]], own: OwnFaces, compute: ComputeOptions
) -> dict[str, Backbone]:
    """Every variant as it was released, and once for each undoing that its attacker tries; by the views' names."""
    pieces = {
        undone_view(name, undoing): ViewPiece(variants[name], undoing, own)
        for name, tried in undoings_of.items()
        for undoing in tried
    }
    kept = {view: piece for view, piece in pieces.items() if undoings.get(piece.undoing).IS_A_BACKBONE}
    run_pieces(make_view, [piece for piece in kept.values() if not _is_there(piece.folder)], compute)
    undone = {
        view: load_backbone(piece.folder) if view in kept else undoings.get(piece.undoing).undo(piece.released, own)
        for view, piece in pieces.items()
    }
    return {**variants, **undone}


def make_view(piece: ViewPiece) -> None:
    """Undo a defence and keep the result."""
    save_backbone(undoings.get(piece.undoing).undo(piece.released, piece.own), piece.folder)


def _trainings(piece: VariantPiece) -> list[Any]:
    module: Any = registry.get(piece.options.defense)
    if not hasattr(module, "pieces"):
        return []
    trainings: list[Any] = module.pieces(piece.owner, piece.options.checked_settings(), piece.options.seed)
    return trainings


def _code_of(module: Any) -> str:
    """Version of a defence's or undoing's code: its own file, what it names in `CODE`, and training."""
    training = TRAINING if hasattr(module, "pieces") else ()
    return code_version(module.__name__, *getattr(module, "CODE", ()), *training)


def _is_there(folder: Path) -> bool:
    return (folder / CARD).exists()
