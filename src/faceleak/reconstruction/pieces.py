"""Reconstruction as independent pieces of work, one an encounter: in parallel, and none computed twice."""

import shutil
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.work.compute import ComputeOptions, pick_device, run_pieces, training_dtype
from faceleak.work.pieces import code_version, fingerprint, remembered_arrays

STEPS = ("random", "best_random", "untrained_guided", "optimized")
Key = TypeVar("Key", bound=Hashable)
ByStep = dict[str, dict[str, Any]]  # step → `latents`, `pixels`, `scores` or `climb` → array


@dataclass(frozen=True)
class ReconstructionPiece:
    """One attacker against one view: the guide is what the attacker reads off it."""

    guide: Guide
    prior: PriorOptions
    search: SearchOptions
    compute: ComputeOptions

    @property
    def path(self) -> Path:
        """Where the result lies once it is there: named by everything that it depends on."""
        guide, search = self.guide, self.search
        terms = (objectives.module(name) for name in search.objective)
        looked_up = (optimizers.module(search.optimizer), *terms, *guide.code)
        code = code_version(__name__, *looked_up)
        backbones = [backbone.network_hash() for backbone in (guide.backbone, *guide.references)]
        parts = (backbones, guide.signals, guide.model.to_dict(), identity_of(self.prior), search)
        dtype = str(training_dtype(self.compute, pick_device(self.compute)))
        return self.compute.cache / "reconstructions" / f"{fingerprint(code, dtype, *parts)}.safetensors"


def reconstruct_all(
    pieces: Mapping[Key, ReconstructionPiece], untrained: ReconstructionPiece, compute: ComputeOptions
) -> dict[Key, ByStep]:
    """Reconstruct each piece that is not in the cache yet: key → step → part → array.

    What the piece `untrained` optimizes, guided by nothing of the target, is the step `untrained_guided` of each.
    """
    if not pieces:
        return {}
    distinct = {piece.path: piece for piece in [*pieces.values(), untrained]}
    run_pieces(reconstruct_piece, [piece for path, piece in distinct.items() if not path.exists()], compute)
    without_target = {"untrained_guided": reconstruct_piece(untrained)["optimized"]}
    return {key: reconstruct_piece(piece) | without_target for key, piece in pieces.items()}


def reconstruct_piece(piece: ReconstructionPiece) -> ByStep:
    """Load the piece's arrays from the cache, or make them: step → part → array.

    A search that was killed goes on after its last round.
    """
    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.search import FILM, SEARCH_STEPS, Reconstructions, reconstruct

    def make() -> dict[str, Any]:
        device = pick_device(piece.compute)
        objective = Objective(piece.guide.to(device), piece.search.objective)
        dtype = training_dtype(piece.compute, device)
        found = reconstruct(load_prior(piece.prior, device), objective, piece.search, device, dtype, remember)
        parts = {f"{step}/{part}": array for step, faces in found.items() for part, array in vars(faces).items()}
        return {name: array for name, array in parts.items() if array.size}

    rounds = piece.path.with_suffix(".rounds")

    def remember(name: str, make_round: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return remembered_arrays(rounds / f"{name}.safetensors", make_round)

    arrays = remembered_arrays(piece.path, make)
    shutil.rmtree(rounds, ignore_errors=True)
    parts = [field.name for field in fields(Reconstructions)]
    return {
        step: {part: arrays[name] for part in parts if (name := f"{step}/{part}") in arrays}
        for step in (*SEARCH_STEPS, FILM)
    }
