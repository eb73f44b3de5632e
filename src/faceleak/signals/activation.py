"""Activations: channel means of the activations where the backbone changes its width, as MINT reads them.

MINT (arXiv 2402.09225) trains a network on intermediate activations to tell training images; its first model is a
light MLP on pooled ones. Here: what enters the last BN layer of every width, among those whose input has positions: an
embedding as wide as the last stage does not take its place. (Active MINT, 2509.07879, needs the trainer's cooperation
and is left out.)
"""

from collections.abc import Mapping

from torch import Tensor, cat, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.observation import Observation, with_positions

ACCESS = "weights"
NEEDS = ("mean",)
COLUMN = ("layer", "statistic")


def compute(seen: Observation) -> Tensor:
    """Read (n, sum of the widths) channel means."""
    means = [seen.inputs[name].mean for name in _last_of_every_width(seen.layers)]
    return cat(means, dim=1)


def column_names(backbone: nn.Module) -> list[tuple[str, str]]:
    """Layer and channel."""
    chosen = _last_of_every_width(bn_layers(backbone))
    return [(name, str(channel)) for name, width in chosen.items() for channel in range(width)]


def _last_of_every_width(layers: Mapping[str, _BatchNorm]) -> dict[str, int]:
    last = {layer.num_features: name for name, layer in with_positions(layers).items()}
    return {name: width for width, name in last.items()}
