"""Variants and views as pieces of work: made side by side, kept by what they depend on, none made twice."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training import TrainingPiece, train_backbones
from faceleak.backbones.training_piece import HASHED
from faceleak.defenses import registry
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner
from faceleak.membership.attackers import View
from faceleak.undoing import OwnFaces
from faceleak.undoing import registry as undoings
from faceleak.work.compute import ComputeOptions, run_pieces
from faceleak.work.pieces import code_version, fingerprint


@dataclass(frozen=True)
class VariantPiece:
    """One defense of one backbone."""

    owner: Owner
    options: VariantOptions

    @cached_property
    def folder(self) -> Path:
        """Where the variant lies once it is there."""
        owner, options = self.owner, self.options
        training = None if owner.training is None else [owner.training.data_hash, owner.training.options.model_dump()]
        public = owner.store.as_stored(owner.public)[HASHED]
        code = code_version(registry.module(options.defense))
        parts = (options.defense, options.checked_settings(), options.seed, public, training, code)
        return owner.compute.cache / "variants" / fingerprint(*_which(owner.backbone), *parts)

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the variant is."""
        return self.folder / CARD


@dataclass(frozen=True)
class ViewPiece:
    """One undoing of one released backbone."""

    released: Backbone
    undoing: str
    own: OwnFaces

    @cached_property
    def folder(self) -> Path:
        """Where the view lies once it is there."""
        own = self.own.store.as_stored(self.own.images)[HASHED]
        code = code_version(undoings.module(self.undoing), "faceleak.backbones.loading")
        return self.own.compute.cache / "views" / fingerprint(*_which(self.released), self.undoing, code, own)

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the view is."""
        return self.folder / CARD


def _which(backbone: Backbone) -> tuple[Any, ...]:
    """What is saved of a backbone or made of it follows from these."""
    return backbone.network_hash(), backbone.card, backbone.head and backbone.head.hash()


AnyPiece = TypeVar("AnyPiece", VariantPiece, ViewPiece)
Key = TypeVar("Key", bound=Hashable)


def make_variants(owner: Owner, variants: Sequence[VariantOptions], compute: ComputeOptions) -> dict[str, Backbone]:
    """Make every variant that is not in the cache yet, in parallel where there are cores; return all by name."""
    pieces = {options.name: VariantPiece(owner, options) for options in variants}
    needed = missing(pieces.values())
    train_backbones(trainings(needed), compute)
    run_pieces(make_variant, needed, compute)
    return {name: load_backbone(piece.folder) for name, piece in pieces.items()}


def missing(pieces: Iterable[AnyPiece]) -> list[AnyPiece]:
    """Those that are not in the cache yet, each once."""
    return list({piece.path: piece for piece in pieces if not piece.path.exists()}.values())


def trainings(pieces: Iterable[VariantPiece]) -> list[TrainingPiece]:
    """What can be trained for these variants before any of them is made."""
    modules: list[tuple[Any, VariantPiece]] = [(registry.get(piece.options.defense), piece) for piece in pieces]
    return [
        training
        for module, piece in modules
        if hasattr(module, "pieces")
        for training in module.pieces(piece.owner, piece.options.checked_settings(), piece.options.seed)
    ]


def make_variant(piece: VariantPiece) -> None:
    """Defend the owner's backbone and keep the result."""
    owner, options = piece.owner, piece.options
    owner = replace(owner, compute=owner.compute.model_copy(update={"workers": 1}))
    defended = registry.get(options.defense).defend(owner, options.checked_settings(), options.seed)
    save_backbone(defended, piece.folder)


def make_views(
    variants: Mapping[str, Backbone], undoings_of: Mapping[str, Sequence[str]], own: OwnFaces, compute: ComputeOptions
) -> dict[View, Backbone]:
    """Every variant as it was released, and once for each undoing that its attacker can try."""
    pieces = {
        View(name, undoing): ViewPiece(variants[name], undoing, own)
        for name, tried in undoings_of.items()
        for undoing in undoings.possible(tried, variants[name])
    }
    return {**{View(name): released for name, released in variants.items()}, **undo_all(pieces, compute)}


def undo_all(pieces: Mapping[Key, ViewPiece], compute: ComputeOptions) -> dict[Key, Backbone]:
    """Undo what is not in the cache yet, in parallel where there are cores; what cannot be kept is undone each time."""
    kept = {key: piece for key, piece in pieces.items() if undoings.get(piece.undoing).IS_A_BACKBONE}
    run_pieces(make_view, missing(kept.values()), compute, compute.training_processes)  # some train
    return {
        key: load_backbone(piece.folder) if key in kept else undoings.get(piece.undoing).undo(piece.released, piece.own)
        for key, piece in pieces.items()
    }


def make_view(piece: ViewPiece) -> None:
    """Undo a defense and keep the result."""
    save_backbone(undoings.get(piece.undoing).undo(piece.released, piece.own), piece.folder)
