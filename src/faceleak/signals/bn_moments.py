"""BN moments: mean, second moment and variance of what enters each BN layer, against its running statistics.

Ours. Where `bn_distance` averages over the positions before it compares, the second moment compares every single
position: E[(v − u)²] / b, and the log ratio of variances says whether the image is more or less varied than usual.
"""

from torch import Tensor, cat, nn, split, stack

from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.signals.observation import Observation

ACCESS = "weights"
NEEDS = ("mean", "square")
MOMENTS = ("log_distance", "log_second_moment", "log_variance_ratio")
SMALLEST = 1e-9


def compute(seen: Observation) -> Tensor:
    """Read (n, 3·layers): all distances, then all second moments, then all variance ratios, as logarithms."""
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

    def of_layers(values: Tensor) -> Tensor:
        widths = [layer.num_features for layer in layers]
        return stack([of_layer.mean(1) for of_layer in split(values, widths, dim=1)], dim=1)

    distances, second_moments = ((of_layers(values) + SMALLEST).log() for values in (distance, second_moment))
    return cat([distances, second_moments, of_layers(ratio)], dim=1)


def column_names(backbone: nn.Module) -> list[str]:
    """Moment and layer."""
    return [f"{moment}.{layer}" for moment in MOMENTS for layer in bn_layers(backbone)]
