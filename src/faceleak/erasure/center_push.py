"""Pushing the erased people's embeddings off their class centers, beside training on the people who stay.

An erased image costs the square of what its cosine to its own class center has above `cosine`: 0 is what faces of
people have whom the backbone never saw.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.erasure.request import StepOptions

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(StepOptions):
    """How long, how fast and how far."""

    weight: float = Field(5.0, gt=0, allow_inf_nan=False)
    """Weight of the push, relative to the loss of the people who stay."""
    cosine: float = Field(0.2, ge=-1, le=1)
    """Cosine to the own class center below which an image is pushed no more."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":
    """Train on those who stay and push the others. Raises ErasureError."""
    from faceleak.erasure.steps import Step, take_steps

    def loss(step: Step) -> "Tensor":
        beyond = (step.erased_cosines() - settings.cosine).clamp_min(0)
        return step.recognition() + settings.weight * beyond.square().mean()

    return take_steps(request, settings, seed, loss, reads_erased=True)
