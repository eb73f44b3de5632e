"""A backbone that somebody else made: the checkpoint after the erasure, as its owner hands it in."""

from typing import TYPE_CHECKING

from faceleak.backbones.target_options import LoadOptions
from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request

MADE_ELSEWHERE = True


class Settings(Options):
    """Which backbone."""

    backbone: LoadOptions
    """The checkpoint, described as in target.load."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001
    """Load it. Raises BackboneError."""
    from faceleak.backbones.loading import load_checkpoint

    load = settings.backbone
    return load_checkpoint(load.card(), load.weights, load.sha256)
