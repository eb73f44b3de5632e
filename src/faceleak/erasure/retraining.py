"""Retraining without the people: the gold standard, a backbone of the same recipe that never saw them."""

from dataclasses import replace
from typing import TYPE_CHECKING

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(Options):
    """There is nothing to set: the recipe is that of the target."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001
    """Train with the target's options and a seed other than the target's. Raises ErasureError and TrainingError."""
    from faceleak.backbones.training import train_backbones

    training = request.training()
    options = training.options.model_copy(update={"seed": training.options.seed + 1 + seed})
    task = replace(training, name="the target without the erased people", images=request.kept_images, options=options)
    return train_backbones([task], request.owner.compute)[0]
