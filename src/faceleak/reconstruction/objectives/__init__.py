"""Terms of the objective, one file each: what the search maximizes, weighted in `search.objective` by their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from faceleak.common.named import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.reconstruction.scorer import Scorer
    from faceleak.signals import Need
    from faceleak.signals.observation import Observation


@dataclass(frozen=True)
class Sample:
    """One batch of generated faces as the terms of an objective see it.

    latents: (n, size) that made `faces` (n, 3, h, w) in 0…1; seen: what the scorer's backbone shows of them.
    seed: for terms that draw something; another one at every step of the search. images: how many each person has; the
    first images of all people come first, then the second ones in the same order.
    """

    latents: "Tensor"
    faces: "Tensor"
    seen: "Observation"
    seed: int
    images: int = 1


class TermModule(Protocol):
    """What defines a term. It may also define:

    DRAWS, if true: it draws something, by the seed of the sample. IMAGES: how many images of each person it looks at
    together. ABOUT_OTHERS, if true: it depends on the other faces of a batch, so that nobody is rated by it.
    """

    def needs(self, scorer: "Scorer") -> "frozenset[Need]":
        """What it reads of the forward pass that all terms share."""
        ...

    def value(self, sample: Sample, scorer: "Scorer") -> "Tensor":
        """One number a face (n,), differentiable; higher is better."""
        ...


class Terms(Registry[TermModule]):
    """All terms by name."""

    def images(self, weights: Mapping[str, float]) -> int:
        """How many images of each person are looked at together, by terms with these weights."""
        weighed = (self.get(name) for name, weight in weights.items() if weight)
        return max((getattr(term, "IMAGES", 1) for term in weighed), default=1)


registry = Terms("faceleak.reconstruction.objectives", "term of the objective", TermModule)
TermName = Annotated[str, registry]
