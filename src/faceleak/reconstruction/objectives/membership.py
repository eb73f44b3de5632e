"""The membership score of stage 1, by any attack that is differentiable (arXiv 2401.13719)."""

from torch import Tensor

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need


def needs(scorer: Scorer) -> frozenset[Need]:
    """What the attack's signals need."""
    return scorer.needs


def value(sample: Sample, scorer: Scorer) -> Tensor:
    """The attack's logit of each face."""
    return scorer.score_seen(sample.seen)
