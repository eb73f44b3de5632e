"""BN moments: mean, second moment and variance of what enters each BN layer, against its running statistics.

Ours. Where `bn_distance` averages over the positions before it compares, the second moment compares every single
position: E[(v − u)²] / b, and the log ratio of variances says whether the image is more or less varied than usual.
"""

from torch import Tensor, cat, nn, stack
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.batch_norm import bn_layers, layer_inputs, reading, statistics
from faceleak.signals.pooling import spatial_moments

ACCESS = "weights"
MOMENTS = ("log_distance", "log_second_moment", "log_variance_ratio")
SMALLEST = 1e-9


def read(backbone: nn.Module, faces: Tensor) -> Tensor:
    """Read (n, 3·layers): all distances, then all second moments, then all variance ratios, as logarithms.

    Raises NoBatchNormError where there are no BN layers. Gradients reach `faces`.
    """
    layers = bn_layers(backbone)
    with reading(backbone), layer_inputs(layers, _moments) as moments:
        backbone(faces)
    return cat([stack([moments[name][i] for name in layers], dim=1) for i in range(len(MOMENTS))], dim=1)


def _moments(layer: _BatchNorm, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    usual_mean, usual_variance = statistics(layer)
    mean, square = spatial_moments(inputs)  # (n, channels)
    squared_distance = (mean - usual_mean) ** 2
    variance = usual_variance + layer.eps
    own_variance = (square - mean**2).clamp_min(0)  # rounding may leave less than nothing
    distance = (squared_distance / variance).mean(1)
    second_moment = ((own_variance + squared_distance) / variance).mean(1)
    ratio = ((own_variance + layer.eps) / variance).log().mean(1)
    return (distance + SMALLEST).log(), (second_moment + SMALLEST).log(), ratio


def column_names(backbone: nn.Module) -> list[str]:
    """Moment and layer."""
    return [f"{moment}.{layer}" for moment in MOMENTS for layer in bn_layers(backbone)]
