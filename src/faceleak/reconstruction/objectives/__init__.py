"""Terms of the objective, one file each: what the search climbs, weighted in `search.objective` by their names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from faceleak.common.named import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.reconstruction.guide import Guide
    from faceleak.reconstruction.objectives.sample import Sample
    from faceleak.signals import Need


class TermModule(Protocol):
    """What defines a term. It may also define:

    DRAWS, if true: it draws something, by the seed of the sample. IMAGES: how many images of each person it looks at
    together. ABOUT_OTHERS, if true: it depends on the other faces of a batch, so that nobody is rated by it.
    """

    def needs(self, guide: "Guide") -> "frozenset[Need]":
        """What it reads of the forward pass that all terms share."""
        ...

    def value(self, sample: "Sample", guide: "Guide") -> "Tensor":
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
