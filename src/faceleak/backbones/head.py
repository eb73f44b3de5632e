"""The classification head that a backbone was trained with; a headless release leaves it out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from faceleak.backbones.checkpoint import BackboneError, read_head_weights
from faceleak.common.text_tables import TextTableError, read_lines
from faceleak.work.checksummed import load_arrays, load_more, save_arrays
from faceleak.work.tasks import fingerprint, writing


@dataclass(frozen=True, eq=False)
class Head:
    """weight: (classes, embedding_size), of any length; identities: whose class each row is; logits: scale·cosine."""

    weight: Tensor
    identities: tuple[str, ...]
    scale: float

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all: the weight, and the rest as its metadata."""
        with writing(path) as partial:
            save_arrays(partial, {"weight": self.weight}, {"identities": self.identities, "scale": self.scale})

    def hash(self) -> str:
        """Hash of all that it holds, for the names of backbones that are kept with it."""
        weight = hashlib.sha256(self.weight.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        return fingerprint(list(self.weight.shape), weight, self.identities, self.scale)

    @classmethod
    def load(cls, path: Path, embedding_size: int) -> "Head":
        """Load what `save` wrote. Raises BackboneError, or SealError if it was altered."""
        weight = _checked_weight(load_arrays(path, "pt", delete=path.parent), path, embedding_size)
        try:
            more = load_more(path)
            named = more["identities"]
            listed = json.loads(named) if isinstance(named, str) else named  # text in version 0
            identities, scale = tuple(map(str, listed)), float(more["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise BackboneError(
                f"{path} does not say whose classes its rows are. It was not written by faceleak or is damaged: delete "
                "it to go on without the head, or train the backbone again."
            ) from error
        return _checked(cls(weight, identities, scale), path)


def read_head(weights: Path, identities: Path, scale: float, embedding_size: int) -> Head:
    """Read a head from outside: a file with the tensor `weight`, and a text file with one identity a line, in order.

    The file may be a whole checkpoint, which holds the head's state dict and the backbone's.
    Raises BackboneError if a file is missing or damaged, or the two do not fit each other or the backbone.
    """
    weight = _checked_weight(read_head_weights(weights, embedding_size), weights, embedding_size)
    try:
        names = read_lines(identities)
    except TextTableError as error:
        raise BackboneError(
            f"{error} It has to be a text file with one identity a line, in the order of the head's classes."
        ) from error
    return _checked(Head(weight, tuple(names), scale), identities)


def _checked_weight(tensors: Mapping[str, Tensor], path: Path, embedding_size: int) -> Tensor:
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
