"""People to compare faces with: one template a person, or all of a person's images."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.roc import FloatArray, MetricError
from faceleak.metrics.verification import IndexArray, normalise_rows, threshold_at_far


@dataclass(frozen=True, eq=False)
class Gallery:
    """People by what they are compared with: templates (t, d) of length 1, and the identities (people,), each once.

    starts: (people,), the place of each person's first template, where a person has several; else one each, in order.
    """

    templates: FloatArray
    identities: NDArray[Any]
    starts: IndexArray | None = None

    def __len__(self) -> int:
        return len(self.identities)

    def similarities(self, embeddings: FloatArray) -> FloatArray:
        """Cosines (n, people) in −1…1 of embeddings (n, d), with the most similar of a person's templates each."""
        cosines: FloatArray = normalise_rows(embeddings) @ self.templates.T
        return cosines if self.starts is None else np.maximum.reduceat(cosines, self.starts, axis=1)

    def only(self, kept: IndexArray) -> "Gallery":
        """Copy the gallery with these people alone, by their places, in this order."""
        if self.starts is None:
            return Gallery(self.templates[kept], self.identities[kept])
        of_person = np.split(self.templates, self.starts[1:])
        parts = [of_person[place] for place in kept]
        starts = np.cumsum([0, *map(len, parts)])[:-1]
        return Gallery(np.concatenate([self.templates[:0], *parts]), self.identities[kept], starts)

    def without(self, identities: Collection[Any]) -> "Gallery":
        """Copy the gallery, leaving out these people."""
        left_out = set(identities)
        kept = np.array([identity not in left_out for identity in self.identities.tolist()], dtype=bool)
        return self.only(np.flatnonzero(kept))


def build_gallery(embeddings: FloatArray, identities: NDArray[Any]) -> Gallery:
    """Make one template a person, in sorted order: the normalised mean of the person's normalised embeddings (n, d).

    Raises MetricError where an embedding, or the mean of a person's embeddings, has no direction.
    """
    people, codes = _people(embeddings, identities)
    sums = np.zeros((len(people), embeddings.shape[1]))
    np.add.at(sums, codes, normalise_rows(embeddings))
    return Gallery(normalise_rows(sums), people)


def build_image_gallery(embeddings: FloatArray, identities: NDArray[Any]) -> Gallery:
    """Make every image a template of its person, people in sorted order. Raises MetricError."""
    people, codes = _people(embeddings, identities)
    order = np.argsort(codes, kind="stable")
    return Gallery(normalise_rows(embeddings)[order], people, np.searchsorted(codes[order], np.arange(len(people))))


def _people(embeddings: FloatArray, identities: NDArray[Any]) -> tuple[NDArray[Any], IndexArray]:
    if len(embeddings) != len(identities):
        raise MetricError(f"{len(embeddings)} embeddings and {len(identities)} identities do not belong together.")
    people, codes = np.unique(identities, return_inverse=True)
    return people, codes


def match_threshold(stranger_embeddings: FloatArray, galleries: Collection[Gallery], far: float) -> float:
    """Find the smallest cosine that at most the share `far` of (stranger image, template) comparisons reaches.

    stranger_embeddings: (n, d), of people who are in none of the galleries. This is the rate of one comparison: a
    stranger matches some person of a gallery far more often, which is what the controls measure. Memory: n · templates
    numbers. Raises MetricError below 1/far comparisons.
    """
    templates = np.concatenate([gallery.templates for gallery in galleries])
    return threshold_at_far((normalise_rows(stranger_embeddings) @ templates.T).ravel(), far)
