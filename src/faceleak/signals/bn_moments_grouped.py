"""BN moments of four groups of channels a layer: `bn_moments`, before averaging hides that some channels tell more.

Ours. The groups are contiguous, and as wide as each other up to one channel.
"""

from torch import Tensor, nn

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.moments import group_widths, log_moments, moment_names, part_of
from faceleak.signals.observation import Observation

ACCESS = "weights"
NEEDS = ("mean", "square")
GROUPS = 4


def compute(seen: Observation) -> Tensor:
    """Read (n, 3·4·layers), moment by moment and layer by layer; a layer of fewer than 4 channels is one group."""
    return log_moments(seen, GROUPS)


def column_names(backbone: nn.Module) -> list[str]:
    """Moment, layer and group."""
    layers = bn_layers(backbone).items()
    return moment_names(f"{name}.{i}" for name, layer in layers for i in range(len(group_widths(layer, GROUPS))))


def layer_of(column: str) -> str:
    """The layer at which a column is read."""
    return part_of(column).rpartition(".")[0]
