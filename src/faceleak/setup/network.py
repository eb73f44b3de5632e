"""What network a file of weights holds, or a class of the user's own is, and how it has to be described."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.backbones.architectures import is_factory
from faceleak.backbones.card import Preprocessing, height_and_width
from faceleak.backbones.loading import ALIKE, ONNX_SUFFIX
from faceleak.backbones.target_options import LoadOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.recognition import Fit, Recognition

GUIDE = "docs/audit-your-own.md"
USUAL_SIDE = 112
STATISTICS = "running_var"
SHOWN = 3


class NetworkError(FaceleakError):
    """Weights whose network is not known, or could be several."""


@dataclass(frozen=True)
class Asked:
    """What the user says of the network: a file of weights, or a class that brings its own, and what else is known."""

    weights: Path | None = None
    architecture: str | None = None
    factory: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    image_size: int | tuple[int, int] | None = None


@dataclass(frozen=True)
class FoundNetwork:
    """A network, loaded, and how it was recognized.

    load: what describes it in the configuration. told_by: how each of these was found out, by key. unsure: keys whose
    values are no more than usual. heads: classification heads beside it, by name, and how many classes they have.
    """

    load: LoadOptions
    backbone: "Backbone"
    told_by: dict[str, str]
    unsure: frozenset[str]
    heads: dict[str, int]

    @property
    def bn_layers(self) -> int:
        """How many BN layers have running statistics."""
        from faceleak.backbones.batch_norm import batch_norms

        return len(batch_norms(self.backbone.net))

    @property
    def name(self) -> str:
        """What to call the network."""
        return self.load.architecture or self.load.factory or "an ONNX network"

    def described(self) -> str:
        """What was found, in words."""
        height, width = self.load.preprocessing.canvas.shape
        layers = counted(self.bn_layers, "BN layer")
        none = " (signals that start with `bn_` cannot be read)" if not self.bn_layers else ""
        heads = "".join(
            f"; {name} is a classification head of {counted(classes, 'class', 'classes')}, which is left out"
            for name, classes in self.heads.items()
        )
        return (
            f"{self.load.weights or self.name} is {self.name}: {self.told_by['network']}; embeddings of "
            f"{self.load.embedding_size} numbers, faces of {height}×{width} pixels "
            f"({self.told_by['image_size']}), {layers}{none}{heads}"
        )


def fed_with(network: FoundNetwork, **changes: Any) -> FoundNetwork:
    """The same network with another preprocessing: what changes, by key."""
    from faceleak.backbones.backbone import Backbone

    preprocessing = network.load.preprocessing.model_copy(update=changes)
    card = network.backbone.card.model_copy(update={"preprocessing": preprocessing})
    load = network.load.model_copy(update={"preprocessing": preprocessing})
    return replace(network, load=load, backbone=Backbone(network.backbone.net, card).eval())


def find_network(asked: Asked) -> FoundNetwork:
    """Recognize a network and load it. Raises FaceleakError, which says what it looks like and what to do."""
    if asked.weights is None and asked.factory is None:
        raise NetworkError(
            "Give the file of the backbone's weights: --weights PATH (or --factory package.module:Class)."
        )
    if asked.architecture is not None and is_factory(asked.architecture):
        raise NetworkError(f"{asked.architecture} is a class: give it as --factory.")
    if asked.factory is not None and asked.architecture is not None:
        raise NetworkError("Give either --architecture or --factory.")
    if asked.weights is not None and asked.weights.suffix == ONNX_SUFFIX:
        return _of_onnx(asked.weights, asked)
    return _of_class(asked) if asked.factory is not None else _of_state_dict(asked)


def _of_state_dict(asked: Asked) -> FoundNetwork:
    from faceleak.backbones.checkpoint import heads_in, read_with_others, sha256_of_file
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.backbones.presets import PRESETS
    from faceleak.backbones.recognition import fit_of, recognize

    assert asked.weights is not None
    weights, others = read_with_others(asked.weights)
    if asked.architecture is not None:
        usual = PRESETS[_usual_preprocessing(asked.architecture)]
        wished = None if asked.image_size is None else usual.model_copy(update={"image_size": asked.image_size})
        fit = fit_of(asked.architecture, weights, str(asked.weights), wished)
        if fit is None:
            raise NetworkError(
                f"{asked.weights} are no weights of {asked.architecture}, whatever the embedding and image size. "
                f"{_looks_like(weights, str(asked.weights))} Leave --architecture out to have it recognized."
            )
        told = "as --architecture says, and all names and shapes fit"
    else:
        found = recognize(weights, str(asked.weights))
        if len(found.fits) > 1:
            names = ", ".join(fit.card.architecture for fit in found.fits)
            raise NetworkError(
                f"The names and shapes in {asked.weights} are those of {len(found.fits)} architectures: {names}. Say "
                f"which one it is: --architecture {found.fits[0].card.architecture}."
            )
        if not found.fits:
            raise NetworkError(
                f"{_looks_like(weights, str(asked.weights))} No architecture that faceleak knows fits, "
                f"{_nearest(found, weights)}. Bring the class that it was trained with: "
                f"--factory package.module:Class, and --arguments where it takes some ({GUIDE})."
            )
        fit = found.fits[0]
        told = f"all {len(weights):,} names and shapes fit it, and no other"
    told += f" ({fit.prefix!r} before the names is left out)" if fit.prefix else ""
    fit = _at_size(fit, asked, weights)
    card = fit.card
    load = LoadOptions(
        architecture=card.architecture,
        weights=asked.weights,
        sha256=sha256_of_file(asked.weights),
        embedding_size=card.embedding_size,
        preprocessing=card.preprocessing,
    )
    return FoundNetwork(
        load,
        load_checkpoint(card, asked.weights),
        {"network": told, "image_size": _how_the_size_is_known(fit, asked)},
        frozenset({"preprocessing"} | (set() if fit.image_sizes or asked.image_size else {"image_size"})),
        dict(fit.heads) | {name: len(matrix) for name, matrix in heads_in(others).items()},
    )


def _usual_preprocessing(architecture: str) -> str:
    from faceleak.backbones.architectures import ARCHITECTURES, check_architecture

    return ARCHITECTURES[check_architecture(architecture)].preprocessing


def _at_size(fit: "Fit", asked: Asked, weights: "Mapping[str, Tensor]") -> "Fit":
    """The fit at the image size that the user gives. Raises NetworkError where the shapes are those of another."""
    from faceleak.backbones.recognition import fit_of

    if asked.image_size is None or asked.architecture is not None:
        found = fit
    else:
        wished = fit.card.preprocessing.model_copy(update={"image_size": asked.image_size})
        found = fit_of(fit.card.architecture, weights, str(asked.weights), wished) or fit
    wanted = None if asked.image_size is None else height_and_width(asked.image_size)
    if wanted not in (None, found.card.preprocessing.canvas.shape):
        sizes = " or ".join(f"{height}×{width}" for height, width in found.image_sizes)
        raise NetworkError(
            f"The shapes in {asked.weights} do not fit faces of {wanted[0]}×{wanted[1]} pixels, but {sizes} (and up to "
            "15 pixels less a side). Correct --image-size."
        )
    return found


def _how_the_size_is_known(fit: "Fit", asked: Asked) -> str:
    if asked.image_size is not None:
        return "as --image-size says"
    if not fit.image_sizes:
        return "as usual with this architecture: its shapes do not tell; --image-size gives another"
    (height, width), *others = fit.image_sizes
    also = "".join(f", or {other[0]}×{other[1]}" for other in others)
    return f"the shapes fit {height - 15} to {height} by {width - 15} to {width}{also}"


def _of_class(asked: Asked) -> FoundNetwork:
    import torch

    from faceleak.backbones.batch_norm import reading
    from faceleak.backbones.checkpoint import sha256_of_file
    from faceleak.backbones.factories import make
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.common.named import said

    assert asked.factory is not None
    size = asked.image_size or USUAL_SIDE
    height, width = height_and_width(size)
    net = make(asked.factory, asked.arguments)
    try:
        with torch.inference_mode(), reading(net):
            answer = net(torch.zeros(2, 3, height, width))
    except Exception as error:
        raise NetworkError(
            f"{asked.factory} cannot take faces of {height}×{width} pixels ({said(error)}). Give the size of its "
            "training: --image-size HEIGHTxWIDTH."
        ) from error
    if not (isinstance(answer, torch.Tensor) and answer.dim() == 2 and len(answer) == 2):
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise NetworkError(
            f"{asked.factory} gives {shape} for two faces, and a backbone gives one embedding a face and nothing else: "
            "wrap it in a class that does so."
        )
    load = LoadOptions(
        factory=asked.factory,
        arguments=asked.arguments,
        weights=asked.weights,
        sha256=None if asked.weights is None else sha256_of_file(asked.weights),
        embedding_size=answer.shape[1],
        preprocessing=Preprocessing(image_size=size),
    )
    told = "its class, which takes and gives what a backbone does"
    weights = "" if asked.weights is None else "; the weights fit it"
    backbone = load_checkpoint(load.card(), load.weights)
    said_or_tried = "as --image-size says" if asked.image_size else "tried: it takes them; --image-size gives another"
    unsure = {"preprocessing"} | (set() if asked.image_size else {"image_size"})
    return FoundNetwork(load, backbone, {"network": told + weights, "image_size": said_or_tried}, frozenset(unsure), {})


def _of_onnx(path: Path, asked: Asked) -> FoundNetwork:
    import torch

    from faceleak.backbones.checkpoint import sha256_of_file
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.backbones.onnx_import.loading import load_onnx
    from faceleak.backbones.onnx_import.reading import read_graph, surviving_batch_norms

    if asked.architecture or asked.factory:
        raise NetworkError(f"{path} describes its network: leave --architecture and --factory out.")
    shape = read_graph(path).input_shape
    colors_last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    declared = shape[1:3] if colors_last else shape[2:4]
    wished = height_and_width(asked.image_size or USUAL_SIDE)
    height, width = (size or wish for size, wish in zip(declared, wished, strict=True))
    if asked.image_size is not None and (height, width) != wished:
        raise NetworkError(f"{path} takes faces of {height}×{width} pixels, and no others. Correct --image-size.")
    with torch.inference_mode():
        answer = load_onnx(path, image_size=height)(torch.zeros(2, 3, height, width))
    load = LoadOptions(
        weights=path,
        sha256=sha256_of_file(path),
        embedding_size=answer.shape[1],
        preprocessing=Preprocessing(image_size=height if height == width else (height, width)),
    )
    free = "the file leaves it free" if None in declared else "as the file says"
    return FoundNetwork(
        load,
        load_checkpoint(load.card(), path, load.sha256),
        {"network": f"the file describes it; {surviving_batch_norms(path).meaning.rstrip('.')}", "image_size": free},
        frozenset({"preprocessing"} | ({"image_size"} if None in declared else set())),
        {},
    )


def _looks_like(weights: "Mapping[str, Tensor]", origin: str) -> str:
    names = list(weights)
    layers = sum(name.endswith(STATISTICS) for name in names)
    first, last = (f"{name} {tuple(weights[name].shape)}" for name in (names[0], names[-1]))
    return (
        f"{origin} holds {counted(len(names), 'tensor')} of "
        f"{sum(tensor.numel() for tensor in weights.values()) / 1e6:.1f} million numbers, "
        f"{counted(layers, 'BN layer') if layers else 'no BN layer'} with statistics; the first is {first}, the last "
        f"{last}."
    )


def _nearest(found: "Recognition", weights: "Mapping[str, Tensor]") -> str:
    """The nearest architecture, and what it has that the weights lack, or has in another shape."""
    from faceleak.backbones.recognition import differences

    if found.share < ALIKE:
        return "and none is near"
    lacking = differences(found.nearest, weights)
    told = f"; it has {', '.join(lacking[:SHOWN])}" if lacking else ""
    return f"and {found.nearest} is the nearest, with {found.share:.0%} of the names{told}"
