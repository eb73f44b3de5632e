"""Whose faces do reconstructions show? Embeddings of an evaluator in, match rates of members and controls out.

A reconstruction matches a gallery when its best cosine over the gallery's people reaches a threshold. Against control
people, who were not in the training set, the same rate tells how often that happens by chance.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.intervals import Interval, percentile_interval, resampling_weights
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError
from faceleak.metrics.verification import IndexArray, normalise_rows, threshold_at_far


@dataclass(frozen=True, eq=False)
class Gallery:
    """People to compare with: templates (people, d) of length 1, and the identities (people,), each once."""

    templates: FloatArray
    identities: NDArray[Any]

    def __len__(self) -> int:
        return len(self.identities)

    def without(self, identities: Collection[Any]) -> "Gallery":
        """Copy the gallery, leaving out these people."""
        left_out = set(identities)
        kept = np.array([identity not in left_out for identity in self.identities.tolist()], dtype=bool)
        return Gallery(self.templates[kept], self.identities[kept])


def build_gallery(embeddings: FloatArray, identities: NDArray[Any]) -> Gallery:
    """Make one template a person, in sorted order: the normalised mean of the person's normalised embeddings (n, d).

    Raises MetricError where an embedding, or the mean of a person's embeddings, has no direction.
    """
    if len(embeddings) != len(identities):
        raise MetricError(f"{len(embeddings)} embeddings and {len(identities)} identities do not belong together.")
    people, codes = np.unique(identities, return_inverse=True)
    sums = np.zeros((len(people), embeddings.shape[1]))
    np.add.at(sums, codes, normalise_rows(embeddings))
    return Gallery(normalise_rows(sums), people)


def nearest(embeddings: FloatArray, gallery: Gallery) -> tuple[IndexArray, FloatArray]:
    """Find each embedding's most similar person: indices into the gallery and cosines in −1…1, both (n,)."""
    similarity = normalise_rows(embeddings) @ gallery.templates.T  # (n, people)
    indices = similarity.argmax(axis=1)
    return indices, np.take_along_axis(similarity, indices[:, None], axis=1)[:, 0]


def match_threshold(stranger_embeddings: FloatArray, gallery: Gallery, far: float) -> float:
    """Find the smallest cosine that at most the share `far` of (stranger image, template) comparisons reaches.

    stranger_embeddings: (n, d), of people who are not in the gallery. This is the rate of one comparison: a stranger
    matches some person of a gallery far more often, which is what the controls measure. Memory: n · people numbers.
    Raises MetricError below 1/far comparisons.
    """
    return threshold_at_far((normalise_rows(stranger_embeddings) @ gallery.templates.T).ravel(), far)


def measure_match(
    embeddings: FloatArray,
    members: Gallery,
    controls: Gallery,
    known_members: Collection[Any],
    threshold: float,
    options: BootstrapOptions,
) -> dict[str, float]:
    """Measure how many reconstructions show members, against how many show controls, who can only match by chance.

    embeddings: (n, d), one reconstruction each; known_members: the members of whom the attacker had images.

    Returns, with `_ci_low` and `_ci_high` each:
    `member_match_rate` and `control_match_rate`, shares in 0…1 of reconstructions that match the gallery;
    `match_advantage`, their difference in −1…1;
    `unknown_member_match_rate`, the share that matches a member the attacker had no image of (a smaller gallery, so it
    compares with the same rate of other latents, not with the controls);
    and `distinct_members`, the number of different people who are the best match of a matching member reconstruction.

    Intervals resample people, and reconstructions with them: each reconstruction belongs to its nearest person, drawn
    or not drawn together with all that resemble the same person, so that one face drawn fifty times counts as one
    finding. The gallery's people are not drawn themselves: a resample would hold 63 % of them, a match with the best
    of fewer people is rarer, and the interval would lie below the rate that it should enclose.
    For the difference the members are drawn, then the controls, and the deviations from the value add up; the part that
    is due to chance in the reconstructions is counted twice, so this interval is somewhat wide (cover 95 to 98 %).
    Where all reconstructions have the same nearest person, one finding shows no spread: the bounds are those of the
    range. With fewer than about ten nearest people intervals are too narrow.

    Raises MetricError where the galleries differ in size or share people, every member is known, no known member is
    in the gallery, or an embedding has no direction.
    """
    unknown_members = _check_galleries(members, controls, known_members)
    member, member_similarity = nearest(embeddings, members)
    control, control_similarity = nearest(embeddings, controls)
    unknown, unknown_similarity = nearest(embeddings, unknown_members)
    matches_member, matches_control = member_similarity >= threshold, control_similarity >= threshold
    intervals = {
        "member_match_rate": _rate_interval(matches_member, member, options),
        "control_match_rate": _rate_interval(matches_control, control, options),
        "match_advantage": _difference_interval(matches_member, member, matches_control, control, options),
        "unknown_member_match_rate": _rate_interval(unknown_similarity >= threshold, unknown, options),
    }
    result = {key: value for name, interval in intervals.items() for key, value in interval.named(name).items()}
    return result | {"distinct_members": len(np.unique(member[matches_member]))}


def _rate_interval(matches: BoolArray, people: IndexArray, options: BootstrapOptions) -> Interval:
    if len(np.unique(people)) < 2:
        return Interval(float(matches.mean()), 0.0, 1.0)
    return percentile_interval(float(matches.mean()), _resampled_means(matches, people, options, 0), options.level)


def _difference_interval(
    matches_member: BoolArray,
    member: IndexArray,
    matches_control: BoolArray,
    control: IndexArray,
    options: BootstrapOptions,
) -> Interval:
    differences = matches_member.astype(float) - matches_control
    value = float(differences.mean())
    if min(len(np.unique(member)), len(np.unique(control))) < 2:
        return Interval(value, -1.0, 1.0)
    by_member = _resampled_means(differences, member, options, 0)
    by_control = _resampled_means(differences, control, options, 1)
    return percentile_interval(value, np.clip(by_member + by_control - value, -1, 1), options.level)


def _resampled_means(values: NDArray[Any], people: IndexArray, options: BootstrapOptions, stream: int) -> FloatArray:
    """Means (resamples,) of values (n,) over people drawn with replacement; streams are independent draws."""
    seed = int(np.random.SeedSequence([options.seed, stream]).generate_state(1)[0])
    weights = resampling_weights(people, np.ones(len(people), bool), options.resamples, seed)
    means: FloatArray = weights @ values.astype(float) / weights.sum(axis=1)
    return means


def _check_galleries(members: Gallery, controls: Gallery, known_members: Collection[Any]) -> Gallery:
    """Return the unknown members, once the galleries are found fit to be compared."""
    if len(members) != len(controls):
        raise MetricError(
            f"The galleries hold {len(members)} members and {len(controls)} controls, but a larger gallery is matched "
            "more often by chance, so the rates do not compare. Sample both to the same number of people."
        )
    if shared := len(members) - len(members.without(controls.identities.tolist())):
        raise MetricError(
            f"{shared} of {len(controls)} controls are members, so a match with them proves nothing. "
            "Take controls who were not in the training set."
        )
    unknown_members = members.without(known_members)
    if len(unknown_members) == 0:
        raise MetricError(
            f"The attacker had images of all {len(members)} members, so nothing shows what the target alone "
            "gives away. Leave some members out of the attacker's knowledge."
        )
    if len(known_members) and len(unknown_members) == len(members):
        raise MetricError(
            f"None of the {len(known_members)} known members is in the gallery: their identities may be written in "
            "another type or spelling, and known people would count as unknown. Take both from the same splits."
        )
    return unknown_members
