"""Latents that are likely under the standard normal that the prior was trained with.

Constant for latents that are kept on a sphere; it counts in spaces in which they may leave it.
"""

from torch import Tensor

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """Nothing: it looks at latents alone."""
    return frozenset()


def value(sample: Sample, scorer: Scorer) -> Tensor:  # noqa: ARG001  all is in the sample
    """Logarithm of the density without its constant, a number of the latent on average: −z²/2."""
    return -sample.latents.flatten(1).square().mean(1) / 2
