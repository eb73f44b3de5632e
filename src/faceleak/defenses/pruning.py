"""Magnitude pruning: of every convolution, the weights that are smallest in magnitude are set to 0.

What is seldom needed, memorized people among it, may sit in small weights. Activations shrink with them; statistics
that fit the pruned weights, or a short fine-tune, restore recognition.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_reestimation", "finetuning")


class Settings(Options):
    """How much is pruned."""

    share: float = Field(ge=0, lt=1)
    """Share of each convolution's weights that become 0."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Prune a copy; share 0 leaves it equal to the bit."""
    import torch

    defended = deepcopy(owner.backbone).eval()
    for module in defended.net.modules():
        if isinstance(module, torch.nn.Conv2d):
            magnitudes = module.weight.detach().abs().flatten()
            small = torch.zeros_like(magnitudes, dtype=torch.bool)
            small[magnitudes.topk(round(settings.share * len(small)), largest=False).indices] = True
            with torch.no_grad():  # torch's own pruning fails on weights that are channels-last in memory
                module.weight.masked_fill_(small.view(module.weight.shape), 0)
    return defended
