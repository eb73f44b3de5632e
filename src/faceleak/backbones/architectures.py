"""Architectures by name. A name is one entry here: a class of this room and what it is built with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.backbones.card import BackboneCard
from faceleak.backbones.factories import check_factory, in_its_layout, make
from faceleak.common.errors import FaceleakError
from faceleak.common.named import check_name

if TYPE_CHECKING:
    from torch import nn

ROOM = "faceleak.backbones"
ONNX = "onnx"  # the architecture of networks that an ONNX file describes


@dataclass(frozen=True)
class Architecture:
    """`factory`: module of this room and class; it is built with image_size, embedding_size and `arguments`.

    preprocessing: name of the one (`presets`) with which the repository trains whose parameter names these are.
    own_normalization: the class takes `normalization` and builds all of them; else a network with BN is changed.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    own_normalization: bool = False
    preprocessing: str = "arcface"

    @property
    def module(self) -> str:
        """Full name of the module."""
        return f"{ROOM}.{self.factory.partition(':')[0]}"


def _iresnet(depths: tuple[int, ...], widths: tuple[int, ...] = (64, 128, 256, 512)) -> Architecture:
    return Architecture("iresnet:IResNet", {"depths": depths, "widths": widths}, own_normalization=True)


def _ir(depths: tuple[int, ...], squeeze: bool = False) -> Architecture:
    return Architecture("ir:IR", {"depths": depths, "squeeze": squeeze})


# Widths of 16 channels at least: with fewer, oneDNN's backward pass of a shortcut writes past its memory (issue 6035).
ARCHITECTURES: dict[str, Architecture] = {
    "iresnet_tiny": _iresnet((1, 1, 1, 1), (16, 16, 32, 64)),
    "iresnet_demo": _iresnet((1, 1, 1, 1), (16, 32, 64, 128)),
    "iresnet_demo_wide": _iresnet((1, 1, 1, 1), (24, 48, 96, 192)),
    "iresnet18": _iresnet((2, 2, 2, 2)),
    "iresnet34": _iresnet((3, 4, 6, 3)),
    "iresnet50": _iresnet((3, 4, 14, 3)),
    "iresnet100": _iresnet((3, 13, 30, 3)),
    "ir_50": _ir((3, 4, 14, 3)),
    "ir_101": _ir((3, 13, 30, 3)),
    "ir_152": _ir((3, 8, 36, 3)),
    "ir_se_50": _ir((3, 4, 14, 3), squeeze=True),
    "ir_se_101": _ir((3, 13, 30, 3), squeeze=True),
    "ir_se_152": _ir((3, 8, 36, 3), squeeze=True),
    "mobilefacenet": Architecture("mobilefacenet:MobileFaceNet"),
    "mobilefacenet_bubbliiiing": Architecture("mobilefacenet:BubbliiiingMobileFaceNet"),
    "mobilefacenet_foamliu": Architecture("mobilefacenet_relu6:FoamliuMobileFaceNet", preprocessing="imagenet"),
    "inception_resnet_v1": Architecture("inception_resnet:InceptionResnetV1", preprocessing="facenet"),
}


class UnknownArchitectureError(FaceleakError):
    """No architecture has this name."""


def is_factory(architecture: str) -> bool:
    """Whether an architecture is a class of the user's own, `package.module:Class`."""
    return ":" in architecture


def is_from_outside(architecture: str) -> bool:
    """Whether the network is not one of `ARCHITECTURES`, so its inputs and outputs have to be tried."""
    return architecture == ONNX or is_factory(architecture)


def check_architecture(name: str) -> str:
    """Return `name`: one of `ARCHITECTURES`, or a class of the user's own whose module can be found.

    Raises UnknownArchitectureError with the known names and the nearest one, or FactoryError.
    """
    if is_factory(name):
        return check_factory(name)
    return check_name(name, "architecture", ARCHITECTURES, UnknownArchitectureError)


def source_module(architecture: str) -> str:
    """Name of the module from which the network of an architecture comes: looked up by name, it names tasks too."""
    if architecture == ONNX:
        return f"{ROOM}.onnx_import.loading"
    if is_factory(architecture):
        return architecture.partition(":")[0]
    return ARCHITECTURES[check_architecture(architecture)].module


def build(card: BackboneCard) -> "nn.Module":
    """Build the network of a card with fresh weights from torch's global generator.

    Raises UnknownArchitectureError, FactoryError if a class of the user's own cannot be built, OnnxError and
    BackboneError if the ONNX file is gone or another one.
    """
    from faceleak.backbones.batch_norm import batch_norms
    from faceleak.backbones.renormalizing import renormalized

    if is_from_outside(card.architecture):
        net = _from_onnx(card) if card.architecture == ONNX else make(card.architecture, card.arguments)
        net = renormalized(net, card.normalization, card.preprocessing.canvas.shape)
        return in_its_layout(net, card.preprocessing.canvas.shape, card.architecture)
    found = ARCHITECTURES[check_architecture(card.architecture)]
    size = {"image_size": card.preprocessing.image_size, "embedding_size": card.embedding_size}
    if found.own_normalization:
        net = make(f"{ROOM}.{found.factory}", size | {**found.arguments, "normalization": card.normalization})
    else:
        net = make(f"{ROOM}.{found.factory}", size | {**found.arguments})
        net = renormalized(net, card.normalization, card.preprocessing.canvas.shape)
    if card.bn_eps is not None:
        for layer in batch_norms(net).values():
            layer.eps = card.bn_eps
    return net


def assumes_eps(card: BackboneCard) -> bool:
    """Whether BN's eps is the architecture's, because the training was elsewhere and its eps is not stated."""
    return not is_from_outside(card.architecture) and card.bn_eps is None and not card.training


def _from_onnx(card: BackboneCard) -> "nn.Module":
    from faceleak.backbones.checkpoint import check_sha256

    path = Path(str(card.arguments["path"]))
    check_sha256(path, str(card.arguments["sha256"]))
    net: nn.Module = import_module(source_module(ONNX)).load_onnx(path, image_size=card.preprocessing.canvas.height)
    return net
