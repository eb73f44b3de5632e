"""Whom does a face show? What several judges who know nothing of each other agree on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceleak.metrics.gallery import Gallery
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError
from faceleak.metrics.verification import IndexArray


@dataclass(frozen=True, eq=False)
class Findings:
    """Of n faces: the nearest person by all judges together (n,), and whether they agree that it is this one (n,)."""

    person: IndexArray
    matches: BoolArray


def find_people(
    embeddings: Sequence[FloatArray], galleries: Sequence[Gallery], thresholds: Sequence[float]
) -> Findings:
    """Find whom faces show: one array of embeddings (n, d), one gallery and one threshold for each judge.

    A face matches a person where every judge finds this person nearest in its gallery and the cosine reaches its
    threshold: all say "that is she", and none says "that is somebody else". It would be laxer to count a person whom
    every judge accepts but some judge finds less alike than another: with hundreds of people there is often one whom
    all accept though nobody would name them. It would be laxer still to let each judge accept a person of its own,
    which is no agreement at all. With one judge it is that judge's nearest person at its threshold.

    The nearest person by all judges is the one whose smallest excess over a threshold is largest; where the face
    matches, it is the one that all find nearest. The galleries hold the same people in the same order; MetricError.
    """
    if any(gallery.identities.tolist() != galleries[0].identities.tolist() for gallery in galleries):
        raise MetricError("The judges compare with different people, so they cannot agree. Embed the same people.")
    excess = [
        gallery.similarities(of_judge) - threshold
        for of_judge, gallery, threshold in zip(embeddings, galleries, thresholds, strict=True)
    ]  # judges × (n, people)
    smallest = np.minimum.reduce(excess)
    person = smallest.argmax(axis=1)
    same = np.logical_and.reduce([of_judge.argmax(axis=1) == person for of_judge in excess])
    return Findings(person, same & (smallest.max(axis=1) >= 0))
