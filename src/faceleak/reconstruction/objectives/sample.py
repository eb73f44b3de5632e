"""One batch of generated faces as the terms of an objective see it."""

from dataclasses import dataclass

from torch import Tensor

from faceleak.signals.observation import Observation


@dataclass(frozen=True)
class Sample:
    """latents: (n, size) that made `faces` (n, 3, h, w) in 0…1; seen: what the guide's backbone shows of them.

    seed: for terms that draw something; another one at every step of the search. images: how many each person has; the
    first images of all people come first, then the second ones in the same order.
    """

    latents: Tensor
    faces: Tensor
    seen: Observation
    seed: int
    images: int = 1
