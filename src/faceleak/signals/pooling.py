"""Means over the spatial positions of activations, cheap enough to be taken at every layer."""

from torch import Tensor
from torch.nn import functional


def spatial_mean(activations: Tensor) -> Tensor:
    """(n, channels, …) with any number of spatial dimensions, or none → (n, channels), in float32."""
    if activations.dim() == 2:
        return activations.float()
    if activations.dim() != 4:
        return activations.float().flatten(2).mean(2)
    return functional.adaptive_avg_pool2d(activations.float(), 1).flatten(1)  # far faster than mean() here
