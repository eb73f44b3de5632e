"""Running statistics clipped to the range that public faces show: what only members have is cut off.

The range of a channel is μ ± width·√b for the mean and b·exp(±width) for the variance, with μ and b estimated on public
faces. Whoever holds the weights estimates the statistics anew.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

UNDOINGS = ("bn_reestimation",)


class Settings(Options):
    """`width`: of the range to both sides, in units of each channel's own scale; 0 leaves the public statistics."""

    width: float = Field(ge=0, allow_inf_nan=False)


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Clip a copy's statistics; one within its range stays equal to the bit.

    Raises NoBatchNormError, and ReestimationError with fewer than two public faces.
    """
    from math import exp

    from faceleak.backbones.batch_norm import bn_layers, statistics

    defended = deepcopy(owner.backbone).eval()
    public = owner.with_public_statistics()
    for layer, of_public in zip(bn_layers(defended.net).values(), bn_layers(public.net).values(), strict=True):
        mean, variance = statistics(layer)
        centre, usual = (tensor.to(mean.device).double() for tensor in statistics(of_public))
        width = settings.width * usual.sqrt()
        ratio = exp(min(settings.width, 80.0))  # beyond, a float32 has no room
        mean.copy_(mean.double().clamp(centre - width, centre + width))
        variance.copy_(variance.double().clamp(usual / ratio, usual * ratio))
    return defended
