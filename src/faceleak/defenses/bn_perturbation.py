"""Noise on the running statistics of every BN layer.

Strength σ is relative to each channel's own scale: mean ← mean + σ·√variance·ε, log variance ← log variance + σ·ε',
with ε and ε' Gaussian or Laplace of unit variance.
"""

from copy import deepcopy
from math import sqrt
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_reestimation",)


class Settings(Options):
    """The noise on running statistics."""

    strength: float = Field(ge=0, allow_inf_nan=False)
    """Standard deviation σ of the noise, in units of each channel's own scale."""
    noise: Literal["gaussian", "laplace"] = "gaussian"
    """Distribution of the noise."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Perturb a copy; σ = 0 leaves the statistics equal to the bit. Raises NoBatchNormError."""
    import torch

    from faceleak.backbones.batch_norm import bn_layers, statistics

    defended = deepcopy(owner.backbone).eval()
    random = torch.Generator().manual_seed(seed)
    for layer in bn_layers(defended.net).values():
        mean, variance = statistics(layer)
        on_mean, on_log_variance = _noise((2, len(mean)), settings.noise, random).to(mean.device)
        mean += settings.strength * variance.sqrt() * on_mean
        variance *= (settings.strength * on_log_variance).exp()
    return defended


def _noise(shape: tuple[int, int], kind: str, random: "Generator") -> "Tensor":
    import torch

    if kind == "gaussian":
        return torch.randn(shape, generator=random)
    uniform = torch.rand(shape, generator=random) - 0.5  # the inverse distribution function of Laplace
    return -uniform.sign() * torch.log1p(-2 * uniform.abs().clamp_max(0.5 - 1e-7)) / sqrt(2)
