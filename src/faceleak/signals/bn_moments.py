"""BN moments: mean, second moment and variance of what enters each BN layer, against its running statistics.

Ours. Whereas `bn_distance` averages over the positions before it compares, the second moment compares every single
position, E[(v − u)²] / b, and the log ratio of variances says whether the image is more or less varied than usual.
"""

from torch import Tensor, cat, nn, stack

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.observation import Observation

ACCESS = "weights"
NEEDS = ("mean", "square")
COLUMN = ("statistic", "layer")
MOMENTS = ("log_distance", "log_second_moment", "log_variance_ratio")
SMALLEST = 1e-9


def compute(seen: Observation) -> Tensor:
    """Read (n, 3·layers): all distances, then all second moments, then all variance ratios, as logarithms."""
    mean, square, usual_mean, usual_variance, eps = seen.channels
    variance = usual_variance + eps
    squared_distance = (mean - usual_mean) ** 2
    own_variance = (square - mean**2).clamp_min(0)  # rounding may leave less than nothing
    distance = squared_distance / variance
    second_moment = (own_variance + squared_distance) / variance
    ratio = ((own_variance + eps) / variance).log()
    distance, second_moment, ratio = seen.mean_of_each_layer(stack([distance, second_moment, ratio]))
    return cat([(distance + SMALLEST).log(), (second_moment + SMALLEST).log(), ratio], dim=1)


def column_names(backbone: nn.Module) -> list[tuple[str, str]]:
    """Moment and layer."""
    layers = list(bn_layers(backbone))
    return [(moment, layer) for moment in MOMENTS for layer in layers]
