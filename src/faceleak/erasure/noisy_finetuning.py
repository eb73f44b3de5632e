"""Noise on all weights, as the defense `weight_noise` adds it, then fine-tuning on the people who stay."""

from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.defenses import weight_noise
from faceleak.erasure.request import StepOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(StepOptions):
    """How much noise, how long and how fast."""

    strength: float = Field(0.3, ge=0, allow_inf_nan=False)
    """Standard deviation of the noise, relative to the root mean square of each tensor."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":
    """Add noise to a copy and mend it. Raises ErasureError."""
    from faceleak.erasure.steps import take_steps

    noisy = weight_noise.defend(request.owner, weight_noise.Settings(strength=settings.strength), seed)
    return take_steps(request, settings, seed, lambda step: step.recognition(), start=noisy)
