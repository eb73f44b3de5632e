"""People whose images the target takes for one person: the cosine between two images of the same latent.

Training pulls the images of a member together, and those of non-members less: the signal `reference_similarity`, which
tells members best of all, on images that the prior draws. Two images of each person are drawn at every step.
"""

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need

IMAGES = 2  # of each person in a sample


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """The embedding."""
    return frozenset({"embedding"})


def value(sample: Sample, scorer: Scorer) -> Tensor:  # noqa: ARG001  all is in the sample
    """The cosine between each image and the other one of the same person, in −1…1; 1 where there is no other."""
    unit = functional.normalize(sample.seen.embedding.float(), dim=1)
    others = torch.roll(unit, len(unit) // sample.images, dims=0)  # images of all people, then the next ones
    return (unit * others).sum(1)
