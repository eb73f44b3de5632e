"""Fine-tuning with negative label smoothing on the people who stay, after the defense of arXiv 2310.06549.

The target's distribution is (1 + α) on the right class less α spread over all classes. There it hides members from
model inversion when a backbone is trained; as an erasure it knows nothing of the erased people.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.erasure.request import StepOptions

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class Settings(StepOptions):
    """How long, how fast and how negative."""

    alpha: float = Field(0.05, gt=0, lt=1)
    """Strength α of the smoothing, by its size: 0.05 is a smoothing of −0.05."""


def erase(request: "Request", settings: Settings, seed: int) -> "Backbone":
    """Train on with the head of the people who stay. Raises ErasureError."""
    from torch.nn import functional

    from faceleak.erasure.steps import Step, take_steps

    def loss(step: Step) -> "Tensor":
        weight, embeddings = functional.normalize(step.head.weight), functional.normalize(step.kept)
        logits = step.head.logits(functional.linear(embeddings, weight), step.classes)
        likely = functional.log_softmax(logits, dim=1)
        right = likely.gather(1, step.classes[:, None]).mean()
        return settings.alpha * likely.mean() - (1 + settings.alpha) * right

    return take_steps(request, settings, seed, loss)
