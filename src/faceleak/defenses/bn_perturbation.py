"""Gaussian noise on the running statistics of every BN layer.

Strength σ is relative to each channel's own scale: mean ← mean + σ·√variance·ε, log variance ← log variance + σ·ε'.
Undoing it must face: `undoing.bn_reestimation`, one forward pass over faces of the attacker's own.
"""

from copy import deepcopy

import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics


def defend(backbone: Backbone, strength: float, seed: int) -> Backbone:
    """Return a copy with perturbed statistics; σ = 0 leaves them equal to the bit. Raises NoBatchNormError."""
    defended = deepcopy(backbone)
    random = torch.Generator().manual_seed(seed)
    for layer in bn_layers(defended.net).values():
        mean, variance = statistics(layer)
        noise = torch.randn(2, len(mean), generator=random).to(mean.device)
        mean += strength * variance.sqrt() * noise[0]
        variance *= (strength * noise[1]).exp()
    return defended
