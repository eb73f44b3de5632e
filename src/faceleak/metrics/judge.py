"""The judges of reconstructions: galleries of members and of as many controls, and a threshold from strangers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faceleak.metrics.gallery import Gallery, build_gallery, build_image_gallery, match_threshold
from faceleak.metrics.roc import FloatArray


@dataclass(frozen=True, eq=False)
class Judge:
    """Whom one evaluator compares reconstructions with, and from which cosine on they match."""

    members: Gallery
    controls: Gallery
    known_members: frozenset[Any]
    threshold: float


@dataclass(frozen=True, eq=False)
class Panel:
    """All judges by their evaluators' names; `independent`: those whose agreement counts as a match.

    lax: the same evaluators by the looser rule of `make_lax_judge`.
    """

    judges: Mapping[str, Judge]
    lax: Mapping[str, Judge]
    independent: tuple[str, ...]

    @property
    def resembling(self) -> tuple[str, ...]:
        """The evaluators that resemble the target; they are fooled where it is, and count for nothing."""
        return tuple(name for name in self.judges if name not in self.independent)


def make_panel(people: Mapping[str, pd.DataFrame], independent: tuple[str, ...], far: float) -> Panel:
    """Make both judges of each evaluator; `people`: evaluator → table as for `make_judge`. Raises MetricError."""
    return Panel(
        {name: make_judge(table, far) for name, table in people.items()},
        {name: make_lax_judge(table, far) for name, table in people.items()},
        independent,
    )


def make_judge(people: pd.DataFrame, far: float) -> Judge:
    """Make the judge from an evaluator's embeddings: `people` has identity, role, known and embedding, a row an image.

    Templates of members come from their `same_identity` images, those of controls from `unseen_identity` images; both
    galleries are cut to the same number of people. The threshold accepts at most the share `far` of comparisons
    between `public` images, of people whom the evaluator never saw, and all templates. Raises MetricError.

    A person is one template, as recognition systems enrol several images, so that `far` is the chance that a stranger
    passes for a given person: with 100 people about one face in ten matches somebody by chance. Matching any single
    image at the same rate per pair of images would let every second face match somebody.
    """
    return _make(people, far, build_gallery)


def make_lax_judge(people: pd.DataFrame, far: float) -> Judge:
    """Make a judge by which a face matches a person already where it matches any single image of theirs.

    `far` is then the rate of pairs of images. With ten images a person and 100 people a stranger has a thousand
    chances, so that many faces match somebody anyway: for comparison with work that judges so, not to be read alone.
    """
    return _make(people, far, build_image_gallery)


def _make(people: pd.DataFrame, far: float, build: Callable[..., Gallery]) -> Judge:
    rows = {role: people[people["role"] == role] for role in ("same_identity", "unseen_identity", "public")}
    built = [build(_embeddings(of), of["identity"].to_numpy()) for of in list(rows.values())[:2]]
    size = min(map(len, built))
    members, controls = (_cut(gallery, size) for gallery in built)
    known = rows["same_identity"].loc[rows["same_identity"]["known"], "identity"]
    threshold = match_threshold(_embeddings(rows["public"]), [members, controls], far)
    return Judge(members, controls, frozenset(known), threshold)


def _embeddings(rows: pd.DataFrame) -> FloatArray:
    return np.stack(rows["embedding"].to_list())


def _cut(gallery: Gallery, size: int) -> Gallery:
    """Keep `size` people, spread evenly over the gallery."""
    return gallery.only(np.linspace(0, len(gallery) - 1, size).round().astype(int))
