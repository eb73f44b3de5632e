"""Running statistics on their way to public ones: each moved by a share of the difference.

Public are the statistics that the same weights have on public faces. Whoever holds the weights goes the rest of the
way with faces of their own.
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
    """`share`: of the way to the public statistics, from 0 (unchanged to the bit) to 1 (public ones alone)."""

    share: float = Field(ge=0, le=1)


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Move a copy's statistics. Raises NoBatchNormError, and ReestimationError with fewer than two public faces."""
    from faceleak.backbones.batch_norm import bn_layers, statistics

    defended = deepcopy(owner.backbone).eval()
    public = owner.with_public_statistics()
    for layer, of_public in zip(bn_layers(defended.net).values(), bn_layers(public.net).values(), strict=True):
        for own, other in zip(statistics(layer), statistics(of_public), strict=True):
            own.lerp_(other.to(own.device), settings.share)
    return defended
