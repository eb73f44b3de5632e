"""The membership score of faces that were moved and lit a little: what survives it is a face, not noise on one.

Where it is part of the objective, people are also kept by their score under augmentations.
"""

from functools import cache

from torch import Tensor, nn

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need
from faceleak.work.compute import seeded

DRAWS = True
DEGREES, SHIFT, SCALING, LIGHT = 5.0, 0.03, 0.04, 0.15


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """Nothing of the pass that others share: augmented faces take one of their own."""
    return frozenset()


def value(sample: Sample, scorer: Scorer) -> Tensor:
    """The attack's logit of each face, augmented."""
    return scorer.score(augment(sample.faces, sample.seed))


def augment(faces: Tensor, seed: int) -> Tensor:
    """Mirror half of the faces (n, 3, h, w); turn, shift, scale and light each by chance; differentiable."""
    with seeded(seed):
        changed: Tensor = _augmentations()(faces)
    return changed.clamp(0, 1)


@cache
def _augmentations() -> nn.Module:
    from kornia import augmentation

    return nn.Sequential(
        augmentation.RandomHorizontalFlip(p=0.5),
        augmentation.RandomAffine(DEGREES, (SHIFT, SHIFT), (1 - SCALING, 1 + SCALING), p=1.0, padding_mode="border"),
        augmentation.ColorJitter(LIGHT, LIGHT, 0.0, 0.0, p=1.0),
    )
