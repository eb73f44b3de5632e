"""Signals, one file each: what can be read off a backbone for an image, by the name of its file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from faceleak.common.named import PAGE, PartError, Registry, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faceleak.backbones.head import Head
    from faceleak.signals.observation import Observation

Access = Literal["weights", "embeddings", "head", "nothing"]  # `head`: embeddings and the classification head
Need = Literal["embedding", "mean", "square", "map"]  # of a forward pass
Form = tuple[Literal["statistic", "layer"], ...]
FORMS: tuple[Form, ...] = (("statistic",), ("layer",), ("layer", "statistic"), ("statistic", "layer"))
Parts = str | tuple[str, ...]  # of a column's name


class ReadsImages(Protocol):
    """What defines a signal that is read off single images.

    ACCESS: what the attacker must touch. NEEDS: what it reads of the forward pass that all signals share. It may also
    define `column_names(backbone)`, a name for each column (without it they are numbered); COLUMN, of what such a name
    is made if each column is read at one BN layer: `("layer",)`, or `("layer", "statistic")` or `("statistic",
    "layer")`, for which names are pairs in that order, no dot in the statistic; and EXTRA_PASSES, how many forward
    passes of its own it makes.
    """

    ACCESS: Access
    NEEDS: tuple[Need, ...]

    def compute(self, seen: "Observation") -> "Tensor":
        """What n faces show → (n, columns), differentiable in the faces."""
        ...


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """n images as one backbone embeds them.

    embeddings: (n, d), of unit length. identities: whose each image is, (n,). anchors: embeddings of non-members (m,
    d), of unit length; m may be 0. head: the backbone's classification head, if there is one.
    """

    embeddings: NDArray[np.float32]
    identities: NDArray[Any]
    anchors: NDArray[np.float32]
    head: "Head | None" = None


class ComparesImages(Protocol):
    """What defines a signal that compares an image with others, or with the classes of the head.

    ACCESS: what the attacker must touch. COLUMNS: a name for each column.
    """

    ACCESS: Access
    COLUMNS: tuple[str, ...]

    def compare(self, embedded: EmbeddedImages) -> NDArray[np.float32]:
        """n images and what they can be compared with → (n, columns)."""
        ...


@dataclass(frozen=True)
class Signal:
    """What a backbone shows for one image.

    access: what the attacker must touch. needs: what it reads of a forward pass. compute: observation of n faces →
    (n, columns), differentiable in the faces. column_names: network → a name for each column, or its parts; without it
    they are numbered. form: what parts a name has. extra_passes: forward passes of its own, besides the one that all
    signals share.
    """

    name: str
    access: Access
    needs: frozenset[Need]
    compute: Callable[["Observation"], "Tensor"]
    column_names: Callable[["nn.Module"], Sequence[Parts]] | None
    form: Form
    extra_passes: int

    def read(self, backbone: "nn.Module", faces: "Tensor") -> "Tensor":
        """Read only this signal: (backbone, faces (n, 3, h, w) in 0…1) → (n, columns)."""
        from faceleak.signals.observation import observe

        return self.compute(observe(backbone, faces, self.needs))


@dataclass(frozen=True)
class Comparison:
    """A signal that compares an image's embedding with those of other images, or with the classes of the head.

    compare: n images and what they can be compared with → (n, columns).
    """

    name: str
    access: Access
    columns: Sequence[str]
    compare: Callable[[EmbeddedImages], NDArray[np.float32]]


class Signals(Registry[Signal | Comparison]):
    """All signals, by the names of their files, which are also the first part of column names."""

    def get_reader(self, name: str) -> Signal:
        """A signal that is read off single images. Raises UnknownNameError for one that compares images."""
        signal = self.get(name)
        if isinstance(signal, Comparison):
            raise UnknownNameError(f"The signal {name!r} compares images with each other; it cannot be read off one.")
        return signal


def _made(name: str, found: Any) -> Signal | Comparison:
    if hasattr(found, "compare"):
        return Comparison(name, found.ACCESS, found.COLUMNS, found.compare)
    column_names, form = getattr(found, "column_names", None), getattr(found, "COLUMN", FORMS[0])
    if form in FORMS and form != FORMS[0] and column_names is None:
        raise UnknownNameError(
            f"COLUMN of the signal {name!r} is {form!r}, and `column_names(backbone)` is missing: define it, it "
            f"returns a name for each column (see {PAGE})."
        )
    if form not in FORMS:
        raise UnknownNameError(
            f"COLUMN of the signal {name!r} is {form!r}: it says of what the names of `column_names` are made, and is "
            f"one of {', '.join(map(repr, FORMS))}."
        )
    extra_passes = getattr(found, "EXTRA_PASSES", 0)
    return Signal(name, found.ACCESS, frozenset(found.NEEDS), found.compute, column_names, form, extra_passes)


def _check_rows(function: str, result: Any, given: Any) -> None:
    """Raise PartError unless a signal returned a row for each of the faces or images that it was given."""
    faces = hasattr(given, "faces")
    rows, rows_of = (len(given.faces), "faces") if faces else (len(given.embeddings), "images")
    kind, shape = "tensor" if faces else "array", getattr(result, "shape", None)
    if shape is None or (faces and isinstance(result, np.ndarray)):
        raise PartError(f"{function} returned a {type(result).__name__}; it has to return a {kind} ({rows}, columns).")
    if len(shape) != 2 or shape[0] != rows:
        raise PartError(
            f"{function} returned a {kind} of shape {tuple(shape)}, where ({rows}, columns) is expected for {rows} "
            f"{rows_of}: keep one row a {rows_of[:-1]} ({PAGE})."
        )


registry = Signals(
    "faceleak.signals",
    "signal",
    ReadsImages,
    ComparesImages,
    made=_made,
    returns={"compute": _check_rows, "compare": _check_rows},
)
SignalName = Annotated[str, registry, AfterValidator(registry.get_own)]


def is_read_off_images(name: str) -> bool:
    """Whether the signal is read off single images, and not by comparing them."""
    return "compare" not in registry.defined_by(name)
