"""Means over the spatial positions of activations, cheap enough to be taken at every layer."""

from torch import Tensor
from torch.nn import functional


def spatial_mean(activations: Tensor) -> Tensor:
    """(n, channels, height, width) or (n, channels) → (n, channels), in float32."""
    if activations.dim() == 2:
        return activations.float()
    return functional.adaptive_avg_pool2d(activations.float(), 1).flatten(1)
