"""BN distance: how far an image's activations lie from the running statistics of each BN layer.

Stage 1 of arXiv 2401.13719, with u_i and b_i the running mean and variance of layer i, and v̄_i the mean of its input
over the spatial positions: d_i = ‖v̄_i − u_i‖² / b_i, for each channel, averaged over the channels. One departure: the
layer's own eps is added to the variance, since dead channels have none.
"""

from torch import Tensor, nn, stack
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.batch_norm import bn_layers, layer_inputs, reading, statistics
from faceleak.signals.pooling import spatial_mean

ACCESS = "weights"


def read(backbone: nn.Module, faces: Tensor) -> Tensor:
    """Read (n, layers) distances ≥ 0, smaller for members; columns in the order of `bn_layers`.

    Raises NoBatchNormError where there are none. Gradients reach `faces`: stage 2 optimises through this function.
    """
    layers = bn_layers(backbone)
    with reading(backbone), layer_inputs(layers, _distance) as distances:
        backbone(faces)
    return stack([distances[name] for name in layers], dim=1)


def _distance(layer: _BatchNorm, inputs: Tensor) -> Tensor:
    mean, variance = statistics(layer)
    squares = (spatial_mean(inputs) - mean) ** 2  # (n, channels)
    return (squares / (variance + layer.eps)).mean(1)


def column_names(backbone: nn.Module) -> list[str]:
    """The BN layers' names."""
    return list(bn_layers(backbone))
