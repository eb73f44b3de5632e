"""Activation map: the last activations that have positions, averaged to 4×4, for MINT's second model, a CNN.

MINT, arXiv 2402.09225. The columns hold (channels, 4, 4), flattened in that order.
"""

from torch import Tensor, nn

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.observation import MAP_SIZE, Observation, last_with_positions

ACCESS = "weights"
NEEDS = ("map",)


def compute(seen: Observation) -> Tensor:
    """Read (n, channels·16)."""
    return seen.inputs[last_with_positions(seen.layers)].map.flatten(1)


def column_names(backbone: nn.Module) -> list[str]:
    """Channel, row and column."""
    layers = bn_layers(backbone)
    channels = layers[last_with_positions(layers)].num_features
    cells = [f"{row}.{column}" for row in range(MAP_SIZE) for column in range(MAP_SIZE)]
    return [f"{channel}.{cell}" for channel in range(channels) for cell in cells]
