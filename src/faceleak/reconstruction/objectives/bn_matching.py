"""Faces whose BN inputs have the means of the training images: minus the BN distance, averaged over the layers.

The feature regularization of DeepInversion (arXiv 1912.08795), face by face instead of over a batch, and what the paper
of stage 1 optimizes (arXiv 2401.13719). It needs no attack that was fitted.
"""

from torch import Tensor

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need, bn_distance


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """The means of what enters each layer."""
    return frozenset({"mean"})


def value(sample: Sample, scorer: Scorer) -> Tensor:  # noqa: ARG001  all is in the sample
    """Minus the mean distance over the layers, ≤ 0."""
    return -bn_distance.compute(sample.seen).mean(1)
