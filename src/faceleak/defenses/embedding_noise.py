"""Gaussian noise on every embedding before it is released; the weights stay.

The same image always gets the same noise, so asking again is of no use; asking for the image changed a little is.
Whoever holds the weights leaves the noise out.
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
    """The noise on embeddings."""

    strength: float = Field(ge=0, allow_inf_nan=False)
    """Standard deviation of the noise, relative to the embedding's own root mean square."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Write the noise into the card of a copy; other settings of its release stay."""
    from faceleak.backbones.release import Release

    defended = deepcopy(owner.backbone).eval()
    release = defended.card.release or Release()
    release = release.model_copy(update={"noise": settings.strength, "seed": seed})
    defended.card = defended.card.model_copy(update={"release": release})
    return defended
