"""Fine-tuning on the people who stay, and nothing else: forgetting is hoped for."""

from typing import TYPE_CHECKING

from faceleak.erasure.request import StepOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(StepOptions):
    """How long and how fast."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":
    """Train on with the head of the people who stay. Raises ErasureError."""
    from faceleak.erasure.steps import take_steps

    return take_steps(request, settings, seed, lambda step: step.recognition())
