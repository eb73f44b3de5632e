"""Reconstruction as independent pieces of work, one an encounter: in parallel, and none computed twice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceleak.backbones.backbone import Backbone
from faceleak.compute import ComputeOptions, pick_device, run_pieces, training_dtype
from faceleak.membership.models.logistic import LogisticModel
from faceleak.pieces import code_version, fingerprint, remembered_arrays
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.opening import code_of, identity_of
from faceleak.reconstruction.priors.options import PriorOptions

CODE = tuple(f"faceleak.reconstruction.{module}" for module in ("latents", "objective", "search"))


@dataclass(frozen=True)
class ReconstructionPiece:
    """One attacker against one view: `model` was fitted on `signals`, which are read off `backbone`."""

    name: str
    backbone: Backbone
    signals: tuple[str, ...]
    model: LogisticModel
    prior: PriorOptions
    search: SearchOptions
    compute: ComputeOptions

    @property
    def path(self) -> Path:
        """Where the result lies once it is there: named by everything that it depends on."""
        code = code_version(*CODE, *code_of(self.prior), *(f"faceleak.signals.{name}" for name in self.signals))
        card = self.backbone.card.model_dump(mode="json", exclude={"training"})
        parts = (
            self.backbone.weights_hash(),
            card,
            self.signals,
            self.model.to_dict(),
            identity_of(self.prior),
            self.search,
        )
        dtype = str(training_dtype(self.compute, pick_device(self.compute)))
        return self.compute.cache / "reconstructions" / f"{fingerprint(code, dtype, *parts)}.safetensors"


def reconstruct_all(pieces: list[ReconstructionPiece], compute: ComputeOptions) -> dict[str, Any]:
    """Reconstruct each piece that is not in the cache yet; return arrays `<piece>/<step>/<latents|pixels|scores>`."""
    distinct = {piece.path: piece for piece in pieces}
    run_pieces(reconstruct_piece, [piece for path, piece in distinct.items() if not path.exists()], compute)
    return {f"{piece.name}/{key}": array for piece in pieces for key, array in reconstruct_piece(piece).items()}


def reconstruct_piece(piece: ReconstructionPiece) -> dict[str, Any]:
    """Load the piece's arrays from the cache, or make them."""
    from faceleak.reconstruction.objective import membership_score
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.search import reconstruct

    def make() -> dict[str, Any]:
        device = pick_device(piece.compute)
        score = membership_score(piece.backbone.to(device), piece.signals, piece.model)
        dtype = training_dtype(piece.compute, device)
        found = reconstruct(load_prior(piece.prior, device), score, piece.search, device, dtype)
        return {f"{step}/{part}": array for step, faces in found.items() for part, array in vars(faces).items()}

    return remembered_arrays(piece.path, make)
