"""Smooth faces: neighboring pixels should not differ much, as they do in noise that only fools a network."""

from torch import Tensor

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """Nothing: it looks at the faces alone."""
    return frozenset()


def value(sample: Sample, scorer: Scorer) -> Tensor:  # noqa: ARG001  all is in the sample
    """Minus the mean absolute difference of neighbors, down and across (Rudin, Osher and Fatemi 1992), in −2…0."""
    faces = sample.faces
    return -(faces.diff(dim=2).abs().mean((1, 2, 3)) + faces.diff(dim=3).abs().mean((1, 2, 3)))
