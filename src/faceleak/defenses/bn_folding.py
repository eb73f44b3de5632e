"""BN folded into the neighboring layers: the same embeddings, and no stored statistics.

What is hidden is a file format: an attacker with the weights measures the statistics at the same places on faces of
their own.
"""

from typing import TYPE_CHECKING

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_insertion",)


class Settings(Options):
    """There is nothing to set."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Fold a copy; embeddings agree to rounding. Raises NoBatchNormError."""
    from faceleak.backbones.folding import fold

    return fold(owner.backbone)
