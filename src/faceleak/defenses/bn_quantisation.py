"""Coarse running statistics: each BN layer's means and log variances lie on a grid of 2^bits values.

The grid goes evenly from the smallest to the largest value of the layer. Whoever holds the weights estimates the
statistics anew.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.options import Options

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

UNDOINGS = ("bn_reestimation",)


class Settings(Options):
    """`bits`: of each mean and of each log variance."""

    bits: int = Field(ge=1, le=16)


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Round a copy's statistics to the grid. Raises NoBatchNormError."""
    from faceleak.backbones.batch_norm import bn_layers, statistics

    defended = deepcopy(owner.backbone).eval()
    for layer in bn_layers(defended.net).values():
        mean, variance = statistics(layer)
        mean.copy_(on_grid(mean, settings.bits))
        log_variance = (variance.double() + layer.eps).log()  # eps for dead channels, which have no variance
        variance.copy_((on_grid(log_variance, settings.bits).exp() - layer.eps).clamp_min(0))
    return defended


def on_grid(values: "Tensor", bits: int) -> "Tensor":
    """Each of `values` → the nearest of 2^bits values that lie evenly between the smallest and the largest."""
    low, high = values.min(), values.max()
    step = (high - low) / (2**bits - 1)
    return low + ((values - low) / step).round() * step if step > 0 else values
