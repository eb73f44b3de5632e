"""Running statistics of public faces in place of the members': the same forward pass that undoes other defences.

What the weights have learnt stays: an attacker who estimates the statistics on faces of their own sees as much.
"""

from typing import TYPE_CHECKING

from faceleak.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

UNDOINGS = ("bn_reestimation",)


class Settings(Options):
    """There is nothing to set: all public faces are used."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Re-estimate a copy. Raises NoBatchNormError, and ReestimationError with fewer than two public faces."""
    return owner.with_public_statistics()
