"""What the discriminator sees: real and generated faces, changed alike, so that it cannot learn the few by heart.

Each change happens with a probability of its own for each image, and all are differentiable, so that the generator
learns through them (arXiv 2006.06676); below a probability of about 0.8 they do not leak into what is generated.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor

SIGN_BATCHES = 4  # between two adaptations, as in the paper


def changed(faces: Tensor, probability: float) -> Tensor:
    """Faces (n, 3, h, w) in −1…1 → the same shape and range; draws from torch's global generator."""
    if probability == 0:
        return faces
    shown = (faces.float() + 1) / 2
    for change in _changes():
        chosen = torch.rand(len(faces), device=faces.device) < probability
        shown = torch.where(chosen[:, None, None, None], change(shown), shown)
    return shown * 2 - 1


@cache
def _changes() -> list[Any]:
    from kornia import augmentation as kornia

    return [
        kornia.RandomAffine(10, (0.125, 0.125), (0.85, 1.15), padding_mode="reflection", p=1.0),
        kornia.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.5, p=1.0),
        kornia.RandomErasing((0.02, 0.25), p=1.0),
    ]


class Adaptation:
    """The probability of a change, raised while the discriminator is surer of training images than it should be."""

    def __init__(self, target: float, images: int, start: float) -> None:
        self.target, self.images, self.probability = target, images, start
        self.overfitting = 0.0
        self._signs, self._shown, self._batches = 0.0, 0, 0

    def see(self, logits: Tensor) -> None:
        """Take in the answers to one batch of training images; adapt after every fourth."""
        self._signs += float(logits.detach().float().sign().mean())
        self._shown += len(logits)
        self._batches += 1
        if self._batches == SIGN_BATCHES:
            self.overfitting = self._signs / self._batches
            step = self._shown / self.images
            up = self.overfitting > self.target
            self.probability = min(1.0, max(0.0, self.probability + (step if up else -step)))
            self._signs, self._shown, self._batches = 0.0, 0, 0

    def state_dict(self) -> dict[str, float]:
        """All that changes."""
        return {name: value for name, value in vars(self).items() if name not in ("target", "images")}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from what `state_dict` gave."""
        if state.keys() != self.state_dict().keys():
            raise ValueError("not the state of an adaptation")
        vars(self).update(state)
