"""Clipping: the gradient that one unit adds to a step has at most the length `bound`, for any data."""

import torch
from torch import Tensor

ROUNDING = 1e-6  # clip a little below the bound, so that rounding does not pass it


def unit_gradients(per_view: Tensor, unit_of_view: Tensor, units: int) -> Tensor:
    """Gradients (views, …) of one parameter → their sum over the views of each unit (units, …)."""
    return torch.zeros(units, *per_view.shape[1:], device=per_view.device).index_add_(0, unit_of_view, per_view)


def clipping_factors(gradients: list[Tensor], bound: float) -> Tensor:
    """Factor ≤ 1 of each unit (units,), by which its gradient over all parameters, as one vector, has length ≤ `bound`.

    gradients: one tensor (units, …) a parameter. A unit whose gradient is not finite counts nothing (factor 0).
    """
    squares = torch.stack([gradient.flatten(1).double().square().sum(1) for gradient in gradients])
    lengths = squares.sum(0).sqrt()
    factors = (bound * (1 - ROUNDING) / lengths.clamp_min(1e-30)).clamp_max(1)
    return torch.where(torch.isfinite(lengths), factors, 0.0)


def clipped_sum(gradients: list[Tensor], bound: float) -> list[Tensor]:
    """Sum of the clipped units' gradients: adding or removing one unit changes it by at most `bound` (one L2 norm)."""
    factors = clipping_factors(gradients, bound)
    usable = factors > 0
    return [torch.einsum("u,u...->...", factors[usable].to(gradient.dtype), gradient[usable]) for gradient in gradients]


def add_noise(gradients: list[Tensor], standard_deviation: float, random: torch.Generator) -> list[Tensor]:
    """Add independent Gaussian noise to every coordinate."""
    return [
        gradient + standard_deviation * torch.randn(gradient.shape, generator=random).to(gradient.device)
        for gradient in gradients
    ]
