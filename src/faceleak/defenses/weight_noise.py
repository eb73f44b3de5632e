"""Gaussian noise on all weights: w ← (w + strength·r·ε) / √(1 + strength²), with r the tensor's root mean square.

Every tensor keeps its scale, so activations stay finite and endless noise leaves a network of random weights, in which
nothing is left. Weaker noise takes more from recognition than from privacy, and an attacker with the weights can
restore recognition: statistics that fit the noisy weights, or a short fine-tune.
"""

from copy import deepcopy
from math import sqrt
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_reestimation", "finetuning")


class Settings(Options):
    """The noise on weights."""

    strength: float = Field(ge=0, allow_inf_nan=False)
    """Standard deviation of the noise, relative to the root mean square of each tensor."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Add noise to a copy; strength 0 leaves it equal to the bit. BN statistics are no weights and stay."""
    import torch

    defended = deepcopy(owner.backbone).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in defended.net.parameters():
            noise = torch.randn(weights.shape, generator=random).to(weights.device)
            scale = settings.strength * weights.square().mean().sqrt()
            weights.add_(scale * noise).div_(sqrt(1 + settings.strength**2))
    return defended
