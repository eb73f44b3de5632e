"""Which architecture the tensors of a state dict belong to, told by their names and shapes alone.

Networks are built on the meta device, where weights take no memory and no time. What can be read off shapes is read:
the embedding size, and the image size where the last layer has a weight for each position of the last map.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING

from faceleak.backbones.architectures import ARCHITECTURES, build
from faceleak.backbones.card import BackboneCard, Normalization, Preprocessing, height_and_width
from faceleak.backbones.checkpoint import COUNTER, likeness, take_apart
from faceleak.backbones.presets import PRESETS
from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]

STRIDE = 16  # pixels of a face for a position of the last map, in all architectures whose shapes tell the image size
ONE_POSITION, USUAL = (STRIDE, STRIDE), (112, 112)
EMBEDDING_SIZE, ANOTHER = 512, 256
NARROWEST = 0.65  # width by height, and height by width, of a face


@dataclass(frozen=True)
class Fit:
    """An architecture whose names and shapes are those of a state dict.

    card: with the embedding size, and the usual preprocessing of the architecture at the image size. image_sizes:
    height and width that the shapes allow, each the largest that does; none where shapes do not tell. prefix: what
    stands before the names. heads: names of tensors beside the network that have a row a class, and how many classes.
    """

    card: BackboneCard
    prefix: str
    image_sizes: tuple[Size, ...]
    heads: Mapping[str, int]


@dataclass(frozen=True)
class Recognition:
    """All architectures that a state dict fits, and the nearest, with its share of the names."""

    fits: tuple[Fit, ...]
    nearest: str
    share: float


def recognize(weights: "Mapping[str, Tensor]", origin: str, normalization: Normalization = "batch") -> Recognition:
    """Compare a state dict with all architectures; prefix, heads and counters are left out.

    origin: what errors call it. Raises BackboneError where it holds several networks that fit.
    """
    shares = {name: _share(name, weights, origin, normalization) for name in ARCHITECTURES}
    found = (fit_of(name, weights, origin, normalization=normalization) for name, share in shares.items() if share)
    fits = tuple(fit for fit in found if fit is not None)
    nearest = fits[0].card.architecture if fits else max(shares, key=lambda name: shares[name])
    return Recognition(fits, nearest, shares[nearest])


def fit_of(
    architecture: str,
    weights: "Mapping[str, Tensor]",
    origin: str,
    preprocessing: Preprocessing | None = None,
    normalization: Normalization = "batch",
) -> Fit | None:
    """How an architecture has to be described for a state dict to fit it; None where it does not, however described.

    preprocessing: whose image size is taken where it fits; without it, that which is usual with the architecture.
    Raises BackboneError where the state dict holds several networks that fit.
    """
    known = _tensors(architecture, EMBEDDING_SIZE, USUAL, normalization)
    prefix, inside, _ = take_apart(weights, known, EMBEDDING_SIZE, origin)
    if any(name not in inside for name in known if not name.endswith(COUNTER)):
        return None
    other = _tensors(architecture, ANOTHER, USUAL, normalization)
    embedding_size = next(
        (inside[name].shape[axis] * ANOTHER // size for name, axis, size in _differing(other, known, inside)), None
    )
    if embedding_size is None:
        return None
    sizes = _image_sizes(architecture, known, inside, normalization)
    usual = preprocessing or PRESETS[ARCHITECTURES[architecture].preprocessing]
    wished = height_and_width(usual.image_size)
    for size in dict.fromkeys([wished, *sizes]):
        expected = _tensors(architecture, embedding_size, size, normalization)
        if expected and likeness(weights, expected, embedding_size, origin)[1] == 1:
            side = size[0] if size[0] == size[1] else size
            card = BackboneCard(
                architecture=architecture,
                embedding_size=embedding_size,
                preprocessing=usual.model_copy(update={"image_size": side}),
                normalization=normalization,
            )
            return Fit(card, prefix, sizes, _heads(weights, expected, embedding_size, origin))
    return None


def _share(architecture: str, weights: "Mapping[str, Tensor]", origin: str, normalization: Normalization) -> float:
    known = _tensors(architecture, EMBEDDING_SIZE, USUAL, normalization)
    return likeness(weights, known, EMBEDDING_SIZE, origin)[0] if known else 0.0


@lru_cache(maxsize=256)
def _tensors(
    architecture: str, embedding_size: int, size: Size, normalization: Normalization
) -> "Mapping[str, Tensor]":
    """Names and shapes of a network; none where it cannot be built for images of that size."""
    import torch

    card = BackboneCard(
        architecture=architecture,
        embedding_size=embedding_size,
        preprocessing=Preprocessing(image_size=size),
        normalization=normalization,
    )
    try:
        with torch.device("meta"):
            return build(card).state_dict()
    except FaceleakError:
        return {}


def _differing(
    one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", found: "Mapping[str, Tensor]"
) -> Iterator[tuple[str, int, int]]:
    """Tensor, axis and its size in `one`, where `other` has another size and `found` as many axes."""
    for name, tensor in one.items():
        if name in found and found[name].dim() == tensor.dim():
            for axis, (size, differs) in enumerate(zip(tensor.shape, other[name].shape, strict=True)):
                if size != differs:
                    yield name, axis, size


def _image_sizes(
    architecture: str, known: "Mapping[str, Tensor]", inside: "Mapping[str, Tensor]", normalization: Normalization
) -> tuple[Size, ...]:
    """Height and width that the number of positions in the last layer stands for, the likeliest first."""
    one = _tensors(architecture, EMBEDDING_SIZE, ONE_POSITION, normalization)
    positions: dict[str, list[int]] = {}
    for name, axis, size in _differing(one, known, inside) if one else ():
        positions.setdefault(name, []).append(inside[name].shape[axis] // size)
    match next(iter(positions.values()), None):
        case [rows, columns]:
            pairs = [(rows, columns)]
        case [number]:
            pairs = _as_rows_and_columns(number)
        case _:
            pairs = []
    return tuple((STRIDE * rows, STRIDE * columns) for rows, columns in pairs if rows and columns)


def _as_rows_and_columns(number: int) -> list[Size]:
    """Ways to lay out so many positions as a face, upright ones first."""
    sides = [side for side in range(isqrt(number), 0, -1) if number % side == 0]
    tall = [(number // side, side) for side in sides if side >= NARROWEST * (number // side)]
    return list(dict.fromkeys([*tall, *((columns, rows) for rows, columns in tall)]))


def _heads(
    weights: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", embedding_size: int, origin: str
) -> dict[str, int]:
    prefix, _, heads = take_apart(weights, expected, embedding_size, origin)
    beside = [name for name in weights if not name.startswith(prefix)] + [prefix + name for name in heads]
    return {
        name: classes
        for name in beside
        if weights[name].dim() == 2 and embedding_size in weights[name].shape
        for classes in [next((size for size in weights[name].shape if size != embedding_size), embedding_size)]
    }


def differences(architecture: str, weights: "Mapping[str, Tensor]", origin: str = "weights") -> list[str]:
    """What an architecture has and a state dict lacks, or has in another shape: its names, with the two shapes."""
    known = _tensors(architecture, EMBEDDING_SIZE, USUAL, "batch")
    _, inside, _ = take_apart(weights, known, EMBEDDING_SIZE, origin)
    told = {name: tuple(inside[name].shape) if name in inside else None for name in known if not name.endswith(COUNTER)}
    return [
        f"{name} {tuple(known[name].shape)}" + (f" and not {shape}" if shape else "")
        for name, shape in told.items()
        if shape != tuple(known[name].shape)
    ]
