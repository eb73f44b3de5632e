"""The classification head that a backbone was trained with; a headless release leaves it out."""

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from faceleak.backbones.checkpoint import BackboneError, read_weights
from faceleak.pieces import writing


@dataclass(frozen=True, eq=False)
class Head:
    """weight: (classes, embedding_size), of any length; identities: whose class each row is; logits: scale·cosine."""

    weight: Tensor
    identities: tuple[str, ...]
    scale: float

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all: the weight, and the rest as its metadata."""
        from safetensors.torch import save_file

        metadata = {"identities": json.dumps(self.identities), "scale": json.dumps(self.scale)}
        with writing(path) as partial:
            save_file({"weight": self.weight.detach().cpu().contiguous()}, partial, metadata)

    @classmethod
    def load(cls, path: Path, embedding_size: int) -> "Head":
        """Load what `save` wrote. Raises BackboneError."""
        from safetensors import safe_open

        weight = _read_weight(path, embedding_size)
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
            identities, scale = tuple(map(str, json.loads(metadata["identities"]))), float(metadata["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise BackboneError(
                f"{path} does not say whose classes its rows are. It was not written by faceleak or is damaged: delete "
                "it to go on without the head, or train the backbone again."
            ) from error
        return _checked(cls(weight, identities, scale), path)


def read_head(weights: Path, identities: Path, scale: float, embedding_size: int) -> Head:
    """Read a head from outside: a file with the tensor `weight`, and a text file with one identity a line, in order.

    Raises BackboneError where a file is missing or damaged, or the two do not fit each other or the backbone.
    """
    weight = _read_weight(weights, embedding_size)
    try:
        lines = identities.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BackboneError(
            f"{identities} cannot be read ({error}). It has to be a text file with one identity a line, in the order "
            "of the head's classes."
        ) from error
    return _checked(Head(weight, tuple(line.strip() for line in lines), scale), identities)


def _read_weight(path: Path, embedding_size: int) -> Tensor:
    tensors = read_weights(path)
    weight = tensors.get("weight")
    if weight is None or weight.dim() != 2 or weight.shape[1] != embedding_size:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(tensors.items())[:5]) or "nothing"
        raise BackboneError(
            f"{path} is not the head of a backbone with embeddings of size {embedding_size}: it holds {found}. Save "
            f"one tensor, `weight`, of shape (classes, {embedding_size}); transpose it where it is the other way round."
        )
    return weight.float()


def _checked(head: Head, origin: Path) -> Head:
    classes, names = len(head.weight), head.identities
    remedy = "Give one identity a line, each once, in the order of the head's classes."
    if len(names) != classes:
        raise BackboneError(f"{origin} names {len(names)} identities, and the head has {classes} classes. {remedy}")
    if empty := sum(not name for name in names):
        raise BackboneError(f"{origin} leaves {empty} of {classes} classes without an identity. {remedy}")
    if repeated := classes - len(set(names)):
        raise BackboneError(f"{origin} repeats {repeated} of its {classes} identities. {remedy}")
    return head
