"""Mean, second moment and variance of what enters each BN layer, against its running statistics, by groups of channels.

The second moment compares every single position, E[(v − u)²] / b, and the log ratio of variances says whether the image
is more or less varied than usual.
"""

from collections.abc import Iterable, Sequence

from torch import Tensor, cat, segment_reduce, stack, tensor
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.signals.observation import Observation

MOMENTS = ("log_distance", "log_second_moment", "log_variance_ratio")
SMALLEST = 1e-9


def log_moments(seen: Observation, groups: int) -> Tensor:
    """Read (n, 3·groups of all layers): distances, then second moments, then variance ratios, as logarithms."""
    mean, square, usual_mean, usual_variance, eps = seen.channels
    variance = usual_variance + eps
    squared_distance = (mean - usual_mean) ** 2
    own_variance = (square - mean**2).clamp_min(0)  # rounding may leave less than nothing
    distance = squared_distance / variance
    second_moment = (own_variance + squared_distance) / variance
    ratio = ((own_variance + eps) / variance).log()
    widths = [width for layer in seen.layers.values() for width in group_widths(layer, groups)]
    distance, second_moment, ratio = mean_of_each(stack([distance, second_moment, ratio]), widths)
    return cat([(distance + SMALLEST).log(), (second_moment + SMALLEST).log(), ratio], dim=1)


def mean_of_each(values: Tensor, widths: Sequence[int]) -> Tensor:
    """Means over contiguous groups of channels: (…, channels) → (…, groups); `widths` says how wide each group is."""
    lengths = tensor(widths, device=values.device)
    rows = values.flatten(0, -2).T.contiguous()
    means = segment_reduce(rows, "mean", lengths=lengths, axis=0, unsafe=True)  # `lengths` fits: no need to look
    return means.T.reshape(*values.shape[:-1], len(widths))


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


def part_of(name: str) -> str:
    """The part in one of `moment_names`."""
    return name.partition(".")[2]
