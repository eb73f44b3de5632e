"""Means over the spatial positions of activations, cheap enough to be taken at every layer."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

TASK = 1 << 20  # numbers whose squares still lie in the cache when they are averaged


def spatial_mean(activations: Tensor) -> Tensor:
    """(n, channels, …) with any number of spatial dimensions, or none → (n, channels), in float32."""
    if activations.dim() == 2:
        return activations.float()
    if activations.dim() != 4:
        return activations.float().flatten(2).mean(2)
    return functional.adaptive_avg_pool2d(activations.float(), 1).flatten(1)  # far faster than mean() here


def spatial_moments(activations: Tensor) -> tuple[Tensor, Tensor]:
    """Means of x and of x² over the positions: (n, channels, …) → (n, channels) twice, in float32."""
    activations = activations.float()
    if activations.dim() != 4:
        return spatial_mean(activations), spatial_mean(activations * activations)
    means: tuple[Tensor, Tensor] = _SpatialMoments.apply(activations)  # type: ignore[no-untyped-call]
    return means


class _SpatialMoments(Function):
    """Both means of (n, channels, height, width), with one pass over the activations in the backward direction too."""

    @staticmethod
    def forward(context: Any, activations: Tensor) -> tuple[Tensor, Tensor]:
        context.save_for_backward(activations)
        if activations.device.type != "cpu":  # in one pass over memory, which is what limits a GPU
            variance, mean = torch.var_mean(activations, (2, 3), correction=0)
            return mean, variance + mean * mean
        if activations.numel() <= TASK:
            return spatial_mean(activations), spatial_mean(activations * activations)
        mean, square = (activations.new_empty(activations.shape[:2]) for _ in range(2))
        rows = max(1, TASK // activations.shape[1:].numel())
        squares = torch.empty_like(activations[:rows])  # the same memory for every task
        for start in range(0, len(activations), rows):
            task = activations[start : start + rows]
            square[start : start + rows] = spatial_mean(torch.mul(task, task, out=squares[: len(task)]))
            mean[start : start + rows] = spatial_mean(task)
        return mean, square

    @staticmethod
    def backward(context: Any, of_mean: Tensor, of_square: Tensor) -> Tensor:
        (activations,) = context.saved_tensors
        positions = activations.shape[2] * activations.shape[3]
        of_mean, of_square = (gradient[:, :, None, None] / positions for gradient in (of_mean, 2 * of_square))
        return torch.addcmul(of_mean, activations, of_square)
