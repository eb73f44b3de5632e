"""Embeddings of unit length, rounded to a few decimals before they are released; the weights stay.

Rounding errors of images that differ a little differ, and average out; an attacker with the weights does not round.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("averaging", "unwrapping")


class Settings(Options):
    """How coarse embeddings become."""

    decimals: int = Field(ge=0, le=7)
    """Decimals of each coordinate that stay."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Write the rounding into the card of a copy; other settings of its release stay."""
    from faceleak.backbones.release import Release

    defended = deepcopy(owner.backbone).eval()
    release = (defended.card.release or Release()).model_copy(update={"decimals": settings.decimals})
    defended.card = defended.card.model_copy(update={"release": release})
    return defended
