"""Matchers: the person that independent evaluators find on a face, and whether they agree.

An evaluator has galleries of members and of as many controls, people to compare faces with: one template a person, or
all of a person's images; and a threshold from non-members.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.roc import BoolArray, FloatArray, MetricError
from faceleak.metrics.verification import IndexArray, normalize_rows, threshold_at_far


@dataclass(frozen=True, eq=False)
class Gallery:
    """People by what they are compared with: templates (t, d) of length 1, and the identities (people,), each once.

    starts: (people,), the place of each person's first template, if a person has several; else one each, in order.
    """

    templates: FloatArray
    identities: NDArray[Any]
    starts: IndexArray | None = None

    def __len__(self) -> int:
        return len(self.identities)

    def similarities(self, embeddings: FloatArray) -> FloatArray:
        """Cosines (n, people) in −1…1 of embeddings (n, d), with the most similar of a person's templates each."""
        cosines: FloatArray = normalize_rows(embeddings) @ self.templates.T
        return cosines if self.starts is None else np.maximum.reduceat(cosines, self.starts, axis=1)

    def only(self, kept: IndexArray) -> "Gallery":
        """Copy the gallery with only these people, by their places, in this order."""
        if self.starts is None:
            return Gallery(self.templates[kept], self.identities[kept])
        of_person = np.split(self.templates, self.starts[1:])
        parts = [of_person[place] for place in kept]
        starts = np.cumsum([0, *map(len, parts)])[:-1]
        return Gallery(np.concatenate([self.templates[:0], *parts]), self.identities[kept], starts)

    def beside(self, other: "Gallery") -> "Gallery":
        """Both galleries as one, the people of the other one last. Raises MetricError where they share people."""
        identities = np.concatenate([self.identities, other.identities])
        if shared := len(identities) - len(np.unique(identities)):
            raise MetricError(f"{shared} people are in both galleries, so they cannot be told apart by them.")
        templates = np.concatenate([self.templates, other.templates])
        if self.starts is None and other.starts is None:
            return Gallery(templates, identities)
        own, others = (np.arange(len(of)) if of.starts is None else of.starts for of in (self, other))
        return Gallery(templates, identities, np.concatenate([own, len(self.templates) + others]))

    def without(self, identities: Collection[Any]) -> "Gallery":
        """Copy the gallery, leaving out these people."""
        left_out = set(identities)
        kept = np.array([identity not in left_out for identity in self.identities.tolist()], dtype=bool)
        return self.only(np.flatnonzero(kept))


def build_gallery(embeddings: FloatArray, identities: NDArray[Any]) -> Gallery:
    """Make one template a person, in sorted order: the normalized mean of the person's normalized embeddings (n, d).

    Raises MetricError if an embedding, or the mean of a person's embeddings, has no direction.
    """
    people, codes = _people(embeddings, identities)
    sums = np.zeros((len(people), embeddings.shape[1]))
    np.add.at(sums, codes, normalize_rows(embeddings))
    return Gallery(normalize_rows(sums), people)


def build_image_gallery(embeddings: FloatArray, identities: NDArray[Any]) -> Gallery:
    """Make every image a template of its person, people in sorted order. Raises MetricError."""
    people, codes = _people(embeddings, identities)
    order = np.argsort(codes, kind="stable")
    return Gallery(normalize_rows(embeddings)[order], people, np.searchsorted(codes[order], np.arange(len(people))))


def _people(embeddings: FloatArray, identities: NDArray[Any]) -> tuple[NDArray[Any], IndexArray]:
    if len(embeddings) != len(identities):
        raise MetricError(f"{len(embeddings)} embeddings and {len(identities)} identities do not belong together.")
    people, codes = np.unique(identities, return_inverse=True)
    return people, codes


def match_threshold(impostor_embeddings: FloatArray, galleries: Collection[Gallery], far: float) -> float:
    """Find the smallest cosine that at most the share `far` of (non-member image, template) comparisons reaches.

    impostor_embeddings: (n, d), of people who are in none of the galleries. This is the rate of one comparison: a
    non-member matches some person of a gallery far more often, which is what the controls measure. Memory: n ·
    templates numbers. Raises MetricError below 1/far comparisons.
    """
    templates = np.concatenate([gallery.templates for gallery in galleries])
    return threshold_at_far((normalize_rows(impostor_embeddings) @ templates.T).ravel(), far)


@dataclass(frozen=True, eq=False)
class Matcher:
    """The people that one evaluator compares reconstructions with, and the cosine from which on they match."""

    members: Gallery
    controls: Gallery
    known_members: frozenset[Any]
    threshold: float


@dataclass(frozen=True, eq=False)
class Panel:
    """All matchers by their evaluators' names; `independent`: those whose agreement counts as a match.

    lax: the same evaluators by the looser rule of `make_lax_matcher`.
    """

    matchers: Mapping[str, Matcher]
    lax: Mapping[str, Matcher]
    independent: tuple[str, ...]

    @property
    def resembling(self) -> tuple[str, ...]:
        """The evaluators that resemble the target; what fools the target fools them, so they do not count."""
        return tuple(name for name in self.matchers if name not in self.independent)


def make_panel(people: Mapping[str, pd.DataFrame], independent: tuple[str, ...], far: float) -> Panel:
    """Make both matchers of each evaluator; `people`: evaluator → table as for `make_matcher`. Raises MetricError."""
    return Panel(
        {name: make_matcher(table, far) for name, table in people.items()},
        {name: make_lax_matcher(table, far) for name, table in people.items()},
        independent,
    )


def make_matcher(people: pd.DataFrame, far: float) -> Matcher:
    """Make the matcher from an evaluator's embeddings: `people` has identity, role, known and embedding, a row an
    image.

    Templates of members come from their `same_identity` images, those of controls from `unseen_identity` images; both
    galleries are cut to the same number of people. The threshold accepts at most the share `far` of comparisons
    between `public` images, of people whom the evaluator never saw, and all templates. Raises MetricError.

    A person is one template, as recognition systems enrol several images, so `far` is the chance that a non-member
    passes for a given person: with 100 people about one face in ten matches somebody by chance. Matching any single
    image at the same rate per pair of images would let every second face match somebody.
    """
    return _make(people, far, build_gallery)


def make_lax_matcher(people: pd.DataFrame, far: float) -> Matcher:
    """Make a matcher by which a face matches a person already if it matches any single image of theirs.

    `far` is then the rate of pairs of images. With ten images a person and 100 people a non-member has a thousand
    chances, so many faces match somebody anyway: for comparison with work that judges so, not to be read by itself.
    """
    return _make(people, far, build_image_gallery)


def _make(people: pd.DataFrame, far: float, build: Callable[..., Gallery]) -> Matcher:
    rows = {role: people[people["role"] == role] for role in ("same_identity", "unseen_identity", "public")}
    built = [build(_embeddings(of), of["identity"].to_numpy()) for of in list(rows.values())[:2]]
    size = min(map(len, built))
    members, controls = (_cut(gallery, size) for gallery in built)
    known = rows["same_identity"].loc[rows["same_identity"]["known"], "identity"]
    threshold = match_threshold(_embeddings(rows["public"]), [members, controls], far)
    return Matcher(members, controls, frozenset(known), threshold)


def _embeddings(rows: pd.DataFrame) -> FloatArray:
    return np.stack(rows["embedding"].to_list())


def _cut(gallery: Gallery, size: int) -> Gallery:
    """Keep `size` people, spread evenly over the gallery."""
    return gallery.only(np.linspace(0, len(gallery) - 1, size).round().astype(int))


@dataclass(frozen=True, eq=False)
class Findings:
    """Of n faces: the nearest person by all evaluators (n,), and whether they agree that it is this one (n,)."""

    person: IndexArray
    matches: BoolArray


def find_people(
    embeddings: Sequence[FloatArray], galleries: Sequence[Gallery], thresholds: Sequence[float]
) -> Findings:
    """Find whom faces show: one array of embeddings (n, d), one gallery and one threshold for each evaluator.

    A face matches a person if every evaluator finds this person nearest in its gallery and the cosine reaches its
    threshold: all say "that is she", and none says "that is somebody else". It would be laxer to count a person whom
    every evaluator accepts but some evaluator finds less alike than another: with hundreds of people there is often one
    whom all accept though nobody would name them. It would be laxer still to let each evaluator accept a person of its
    own, which is no agreement at all. With one evaluator it is that evaluator's nearest person at its threshold.

    The nearest person by all evaluators is the one whose smallest excess over a threshold is largest; if the face
    matches, it is the one that all find nearest. The galleries hold the same people in the same order; MetricError.
    """
    excess = _excess(embeddings, galleries, thresholds)
    smallest = np.minimum.reduce(excess)
    person = smallest.argmax(axis=1)
    same = np.logical_and.reduce([of_matcher.argmax(axis=1) == person for of_matcher in excess])
    return Findings(person, same & (smallest.max(axis=1) >= 0))


def smallest_excess(
    embeddings: Sequence[FloatArray], galleries: Sequence[Gallery], thresholds: Sequence[float]
) -> FloatArray:
    """How far the cosine to each person is above the evaluator's threshold, by the evaluator who says least: (n,
    people).

    By it the nearest person of `find_people` is found. Raises MetricError as it does.
    """
    smallest: FloatArray = np.minimum.reduce(_excess(embeddings, galleries, thresholds))
    return smallest


def _excess(
    embeddings: Sequence[FloatArray], galleries: Sequence[Gallery], thresholds: Sequence[float]
) -> list[FloatArray]:
    """Cosines less the threshold, (n, people), of each evaluator."""
    if any(gallery.identities.tolist() != galleries[0].identities.tolist() for gallery in galleries):
        raise MetricError("The evaluators compare with different people, so they cannot agree. Embed the same people.")
    return [
        gallery.similarities(of_matcher) - threshold
        for of_matcher, gallery, threshold in zip(embeddings, galleries, thresholds, strict=True)
    ]
