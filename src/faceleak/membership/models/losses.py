"""What a network of this room is told: losses an example, from its outputs and its target."""

from torch import Tensor
from torch.nn import functional

LOG_SCALES = (-5.0, 5.0)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of the logits outputs[:, 0] with targets 0 or 1; (n,)."""
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets, reduction="none")


def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    """−log N(target; outputs[:, 0], exp(outputs[:, 1])) less its constant; (n,)."""
    log_scale = outputs[:, 1].clamp(*LOG_SCALES)
    return 0.5 * ((targets - outputs[:, 0]) * (-log_scale).exp()) ** 2 + log_scale
