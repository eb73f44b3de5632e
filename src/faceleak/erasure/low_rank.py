"""Low-rank filtering of the last linear layer, after one part of the defense of arXiv 2410.05814.

The smallest singular values of the layer that gives the embedding are set to 0. It knows nothing of the erased people:
what it takes, it takes from everybody.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.common.options import Options
from faceleak.erasure.request import ErasureError

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(Options):
    """How much stays."""

    share: float = Field(0.5, gt=0, le=1)
    """Share of the singular values that stays, the largest ones."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Filter a copy. Raises ErasureError if the network has no linear layer."""
    import torch

    erased = deepcopy(request.owner.backbone).eval()
    layers = [module for module in erased.net.modules() if isinstance(module, torch.nn.Linear)]
    if not layers:
        raise ErasureError(
            "`low_rank` filters the last linear layer of the network, and it has none. Leave it out of erasure.methods."
        )
    weight = layers[-1].weight
    with torch.no_grad():
        left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
        kept = max(1, round(settings.share * len(values)))
        weight.copy_((left[:, :kept] * values[:kept]) @ right[:kept])
    return erased
