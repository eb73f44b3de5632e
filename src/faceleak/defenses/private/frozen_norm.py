"""BN with frozen statistics in two modules: one that has buffers and learns nothing, one that learns and has none.

Opacus refuses trainable layers with buffers, and rightly so: statistics that move carry private data past the noise.
"""

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy

import torch
from opacus.grad_sample import register_grad_sampler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.normalisation import ScaleAndShift

STATISTICS, AFFINE = "statistics", "affine"


class FrozenBatchNorm(nn.Sequential):
    """A BN layer as (x − mean) / std by its running statistics, followed by its scale and shift."""

    def __init__(self, layer: _BatchNorm) -> None:
        statistics = type(layer)(layer.num_features, layer.eps, layer.momentum, affine=False)
        affine = ScaleAndShift(layer.num_features)
        super().__init__(OrderedDict({STATISTICS: statistics, AFFINE: affine}))
        statistics.load_state_dict(dict(layer.named_buffers()))
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                affine.get_parameter(name).copy_(parameter).requires_grad_(parameter.requires_grad)


def with_frozen_norms(net: nn.Module) -> nn.Module:
    """A copy of `net` with each BN layer as a FrozenBatchNorm; see `training_mode` and `plain_weights`."""
    copy = deepcopy(net)
    for name, layer in list(copy.named_modules()):
        if isinstance(layer, _BatchNorm):
            parent, _, place = name.rpartition(".")
            setattr(copy.get_submodule(parent), place, FrozenBatchNorm(layer))
    return copy


def training_mode(net: nn.Module) -> None:
    """Train mode, which Opacus' hooks ask for, for all but what holds statistics."""
    net.train()
    for layer in net.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()


def plain_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a net with frozen norms → of the net that it was made from."""
    return {name.replace(f".{STATISTICS}.", ".").replace(f".{AFFINE}.", "."): value for name, value in weights.items()}


@register_grad_sampler(ScaleAndShift)  # type: ignore[untyped-decorator]
def _per_sample(layer: ScaleAndShift, activations: list[Tensor], backprops: Tensor) -> dict[nn.Parameter, Tensor]:
    gradients: dict[nn.Parameter, Tensor] = {}
    if layer.weight.requires_grad:
        gradients[layer.weight] = torch.einsum("nc...,nc...->nc", activations[0], backprops)
    if layer.bias.requires_grad:
        gradients[layer.bias] = torch.einsum("nc...->nc", backprops)
    return gradients
