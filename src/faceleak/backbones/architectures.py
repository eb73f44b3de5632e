"""Architectures by name. A name is one entry here: widths and depths of an iResNet, or another builder later."""

from typing import TYPE_CHECKING

from faceleak.backbones.card import BackboneCard
from faceleak.errors import FaceleakError
from faceleak.named import check_name

if TYPE_CHECKING:
    from torch import nn

# 16 channels at least: with fewer, oneDNN's backward pass of a shortcut writes past its memory (oneDNN issue 6035).
IRESNETS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "iresnet_tiny": ((1, 1, 1, 1), (16, 16, 32, 64)),
    "iresnet_demo": ((1, 1, 1, 1), (16, 32, 64, 128)),
    "iresnet_demo_wide": ((1, 1, 1, 1), (24, 48, 96, 192)),
    "iresnet18": ((2, 2, 2, 2), (64, 128, 256, 512)),
    "iresnet34": ((3, 4, 6, 3), (64, 128, 256, 512)),
    "iresnet50": ((3, 4, 14, 3), (64, 128, 256, 512)),
    "iresnet100": ((3, 13, 30, 3), (64, 128, 256, 512)),
}


class UnknownArchitectureError(FaceleakError):
    """No architecture has this name."""


def check_architecture(name: str) -> str:
    """Return `name`, or raise UnknownArchitectureError with the known names and the nearest one."""
    return check_name(name, "architecture", IRESNETS, UnknownArchitectureError)


def build(card: BackboneCard) -> "nn.Module":
    """Build the network of a card with fresh weights from torch's global generator."""
    from faceleak.backbones.iresnet import IResNet

    depths, widths = IRESNETS[check_architecture(card.architecture)]
    return IResNet(depths, widths, card.preprocessing.image_size, card.embedding_size, normalisation=card.normalisation)
