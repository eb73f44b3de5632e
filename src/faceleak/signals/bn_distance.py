"""BN distance: how far an image's activations lie from the running statistics of each BN layer.

Stage 1 of arXiv 2401.13719, with u_i and b_i the running mean and variance of layer i, and v̄_i the mean of its input
over the spatial positions: d_i = ‖v̄_i − u_i‖² / b_i. The quotient is read for each channel and averaged over the
channels; the other reading, one norm over another (Σ‖v̄_i − u_i‖² / Σb_i), lets channels of large variance decide by
themselves. One departure: the layer's own eps is added to the variance, since dead channels have none.
"""

from torch import Tensor, nn

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals.observation import Observation

ACCESS = "weights"
NEEDS = ("mean",)
COLUMN = ("layer",)


def compute(seen: Observation) -> Tensor:
    """Read (n, layers) distances ≥ 0, smaller for members; columns in the order of `bn_layers`."""
    mean, _, usual_mean, usual_variance, eps = seen.channels
    return seen.mean_of_each_layer((mean - usual_mean) ** 2 / (usual_variance + eps))


def column_names(backbone: nn.Module) -> list[str]:
    """The BN layers' names."""
    return list(bn_layers(backbone))
