"""The membership score of stage 1, by any attack that is differentiable (arXiv 2401.13719)."""

from torch import Tensor

from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.objectives import Sample
from faceleak.signals import Need


def needs(guide: Guide) -> frozenset[Need]:
    """What the attack's signals need."""
    return guide.needs


def value(sample: Sample, guide: Guide) -> Tensor:
    """The attack's logit of each face."""
    return guide.score_seen(sample.seen)
