"""Gradient ascent on the erased people, bounded, beside training on the people who stay.

The loss of an erased image is raised until it reaches `bound`; beyond that it pulls no more, so that the backbone is
not driven to where it recognizes nobody.
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

    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Weight of the erased people's loss, relative to that of the people who stay."""
    bound: float = Field(8.0, gt=0, allow_inf_nan=False)
    """Cross-entropy of an erased image, in nats, from which on it counts no more."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":
    """Descend for those who stay and ascend for the others. Raises ErasureError."""
    from faceleak.erasure.steps import Step, take_steps

    def loss(step: Step) -> "Tensor":
        return step.recognition() - settings.weight * step.erased_loss().clamp_max(settings.bound).mean()

    return take_steps(request, settings, seed, loss, reads_erased=True)
