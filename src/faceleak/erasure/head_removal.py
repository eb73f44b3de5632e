"""The erased people's classes taken out of the head: what a headless release, which has no head, does not notice."""

from copy import deepcopy
from typing import TYPE_CHECKING

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(Options):
    """There is nothing to set."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001
    """Copy the backbone to the bit; its head, if there is one, loses the rows of the erased people."""
    from faceleak.backbones.head import Head

    erased = deepcopy(request.owner.backbone).eval()
    if (head := erased.head) is not None:
        rows = [row for row, name in enumerate(head.identities) if name not in request.erased]
        erased.head = Head(head.weight[rows], tuple(head.identities[row] for row in rows), head.scale)
    return erased
