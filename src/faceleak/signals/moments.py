"""Mean, second moment and variance of what enters each BN layer, against its running statistics, by groups of channels.

The second moment compares every single position, E[(v − u)²] / b, and the log ratio of variances says whether the image
is more or less varied than usual.
"""

from collections.abc import Iterable

from torch import Tensor, cat, segment_reduce, tensor
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.batch_norm import statistics
from faceleak.signals.observation import Observation

MOMENTS = ("log_distance", "log_second_moment", "log_variance_ratio")
SMALLEST = 1e-9


def log_moments(seen: Observation, groups: int) -> Tensor:
    """Read (n, 3·groups of all layers): distances, then second moments, then variance ratios, as logarithms."""
    layers = list(seen.layers.values())
    mean = cat([seen.inputs[name].mean for name in seen.layers], dim=1)  # (n, channels of all layers)
    square = cat([seen.inputs[name].square for name in seen.layers], dim=1)
    usual_mean, usual_variance = (cat(tensors) for tensors in zip(*map(statistics, layers), strict=True))
    eps = cat([usual_mean.new_full((layer.num_features,), layer.eps) for layer in layers])
    variance = usual_variance + eps
    squared_distance = (mean - usual_mean) ** 2
    own_variance = (square - mean**2).clamp_min(0)  # rounding may leave less than nothing
    distance = squared_distance / variance
    second_moment = (own_variance + squared_distance) / variance
    ratio = ((own_variance + eps) / variance).log()
    widths = tensor([width for layer in layers for width in group_widths(layer, groups)], device=mean.device)

    def of_groups(values: Tensor) -> Tensor:
        return segment_reduce(values.T.contiguous(), "mean", lengths=widths, axis=0).T

    distances, second_moments = ((of_groups(values) + SMALLEST).log() for values in (distance, second_moment))
    return cat([distances, second_moments, of_groups(ratio)], dim=1)


def group_widths(layer: _BatchNorm, groups: int) -> list[int]:
    """How many channels each contiguous group of a layer has, equal up to one; one group where channels are too few."""
    channels = layer.num_features
    if channels < groups:
        return [channels]
    return [channels // groups + (group < channels % groups) for group in range(groups)]


def moment_names(parts: Iterable[str]) -> list[str]:
    """Moment and part, in the order of `log_moments`."""
    of_parts = list(parts)
    return [f"{moment}.{part}" for moment in MOMENTS for part in of_parts]
