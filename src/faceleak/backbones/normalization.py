"""Normalization layers of a network: BN, normalization over groups of channels, or what folding leaves."""

import torch
from torch import Tensor, nn

from faceleak.backbones.card import Normalization

GROUP_SIZE = 8  # channels, or the divisor nearest to it


class ScaleAndShift(nn.Module):
    """(n, channels, …) → the same shape, each channel times `weight` plus `bias`; neither statistics nor buffers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.dim() - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


def of_maps(normalization: Normalization, channels: int) -> nn.Module:
    """For activations (n, channels, h, w) next to a layer that takes in what folding leaves: nothing is left here."""
    match normalization:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(channels // group_size(channels), channels)
        case "folded":
            return nn.Identity()


def before_padding(normalization: Normalization, channels: int) -> nn.Module:
    """As `of_maps`, before a convolution that pads with zeros: a shift cannot be folded into it."""
    return ScaleAndShift(channels) if normalization == "folded" else of_maps(normalization, channels)


def of_embeddings(normalization: Normalization, size: int) -> nn.Module:
    """For embeddings (n, size); their scale, `weight`, stays 1 and is not trained."""
    layer: nn.Module
    match normalization:
        case "batch":
            layer = nn.BatchNorm1d(size)
        case "group":
            layer = nn.LayerNorm(size)
        case "folded":
            return nn.Identity()
    layer.weight.requires_grad_(False)
    return layer


def group_size(channels: int) -> int:
    """Number of channels that share a mean and a variance: the divisor of `channels` that is nearest to 8."""
    divisors = [size for size in range(1, channels + 1) if channels % size == 0]
    return min(divisors, key=lambda size: abs(size - GROUP_SIZE))
