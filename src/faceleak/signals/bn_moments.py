"""BN moments: mean, second moment and variance of what enters each BN layer, against its running statistics.

Ours. Where `bn_distance` averages over the positions before it compares, the second moment compares every single
position; `moments` has the formulas.
"""

from torch import Tensor, nn

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.moments import log_moments, moment_names, part_of
from faceleak.signals.observation import Observation

ACCESS = "weights"
NEEDS = ("mean", "square")


def compute(seen: Observation) -> Tensor:
    """Read (n, 3·layers): all distances, then all second moments, then all variance ratios, as logarithms."""
    return log_moments(seen, groups=1)


def column_names(backbone: nn.Module) -> list[str]:
    """Moment and layer."""
    return moment_names(bn_layers(backbone))


def layer_of(column: str) -> str:
    """The layer at which a column is read."""
    return part_of(column)
