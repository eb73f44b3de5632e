"""The backbone trained on the public people only, with the target's own options: no private image was near it.

It is where private training starts, and what private training has to beat.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training import TrainingTask
    from faceleak.defenses.owner import Owner

BYPASSES = ()


class Settings(Options):
    """None: all is as for the target, except for the people."""


def tasks(owner: "Owner", settings: Settings, seed: int) -> "list[TrainingTask]":  # noqa: ARG001
    """The one backbone to train; `seed` is added to the target's. Raises DefenseError if the target was loaded."""
    target = owner.trained_here()
    options = target.options.model_copy(update={"seed": target.options.seed + seed})
    columns = ["image_id", "identity", "sha256"]
    return [replace(target, name="public_start", images=owner.public[columns], options=options)]


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train it, or find it in the cache. Raises DefenseError if the target was loaded, and TrainingError."""
    from faceleak.backbones.training import train_backbones

    return train_backbones(tasks(owner, settings, seed), owner.compute)[0]
