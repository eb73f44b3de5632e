"""The judge of reconstructions: galleries of members and of as many controls, and a threshold from strangers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faceleak.metrics.identity_match import Gallery, build_gallery, match_threshold, nearest
from faceleak.metrics.roc import FloatArray


@dataclass(frozen=True, eq=False)
class Judge:
    """Whom reconstructions are compared with, and from which cosine on they match."""

    members: Gallery
    controls: Gallery
    known_members: frozenset[Any]
    threshold: float


def make_judge(people: pd.DataFrame, far: float) -> Judge:
    """Make the judge from an evaluator's embeddings: `people` has identity, role, known and embedding, a row an image.

    Templates of members come from their `same_identity` images, those of controls from `unseen_identity` images; both
    galleries are cut to the same number of people. The threshold accepts at most the share `far` of comparisons
    between `public` images, of people whom the evaluator never saw, and all templates. Raises MetricError.

    A person is one template, as recognition systems enrol several images, so that `far` is the chance that a stranger
    passes for a given person: with 100 people about one face in ten matches somebody by chance. Matching any single
    image at the same rate per pair of images would let every second face match somebody.
    """
    members, controls = (_gallery(people, role) for role in ("same_identity", "unseen_identity"))
    size = min(len(members), len(controls))
    members, controls = _cut(members, size), _cut(controls, size)
    everybody = Gallery(
        np.concatenate([members.templates, controls.templates]),
        np.concatenate([members.identities, controls.identities]),
    )
    strangers = _embeddings(people[people["role"] == "public"])
    known = people.loc[(people["role"] == "same_identity") & people["known"], "identity"]
    return Judge(members, controls, frozenset(known), match_threshold(strangers, everybody, far))


def _gallery(people: pd.DataFrame, role: str) -> Gallery:
    rows = people[people["role"] == role]
    return build_gallery(_embeddings(rows), rows["identity"].to_numpy())


def _embeddings(rows: pd.DataFrame) -> FloatArray:
    return np.stack(rows["embedding"].to_list())


def _cut(gallery: Gallery, size: int) -> Gallery:
    """Keep `size` people, spread evenly over the gallery."""
    kept = np.linspace(0, len(gallery) - 1, size).round().astype(int)
    return Gallery(gallery.templates[kept], gallery.identities[kept])


def match_table(embeddings: FloatArray, judge: Judge) -> pd.DataFrame:
    """Whom each reconstruction resembles most: a row for each of `embeddings` (n, d).

    Columns: member_identity, member_similarity, matches_member, known (whether the attacker had images of that
    member), control_identity, control_similarity, matches_control.
    """
    member, member_similarity = nearest(embeddings, judge.members)
    control, control_similarity = nearest(embeddings, judge.controls)
    member_identity = judge.members.identities[member]
    return pd.DataFrame(
        {
            "member_identity": member_identity,
            "member_similarity": member_similarity,
            "matches_member": member_similarity >= judge.threshold,
            "known": [identity in judge.known_members for identity in member_identity],
            "control_identity": judge.controls.identities[control],
            "control_similarity": control_similarity,
            "matches_control": control_similarity >= judge.threshold,
        }
    )
