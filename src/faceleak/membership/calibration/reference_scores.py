"""What every calibration starts from: the same images scored by the target and by reference backbones.

Two helps if there are few. The mean gap is what training on an image adds to its score, on average: it stands in
if an image lacks references of one side. Online references are trained on random images, independently of the
target: otherwise, which of them know an image would tell whether the target does. Of few such references, some images
have none on a side. The shared variance is one for all images: what few references leave to be said about how much a
score varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class ReferenceScoresError(FaceleakError):
    """Scores of target and references do not belong together, or are not numbers."""


class MissingReferencesError(FaceleakError):
    """Images lack the reference backbones that a calibration compares them with."""


class Side(NamedTuple):
    """The references of one side (trained on an image, or not), image by image.

    number: (n,) of references; mean: (n,) of their scores, 0 if there are none; squares: (n,) sum of the squared
    deviations from that mean.
    """

    number: FloatArray
    mean: FloatArray
    squares: FloatArray

    def known(self) -> "Side":
        """The images that have a reference on this side."""
        known = self.number > 0
        return Side(self.number[known], self.mean[known], self.squares[known])


@dataclass(frozen=True, eq=False)
class ReferenceScores:
    """One score an image and backbone; any finite numbers, higher says member.

    target: (n,) by the target; references: (n, r) by the reference backbones; trained_on: (n, r), whether a reference
    was trained on that image (all False if the attacker has no references that were: offline).
    Raises ReferenceScoresError if shapes disagree, nothing is there, or a score is not finite.
    """

    target: FloatArray
    references: FloatArray
    trained_on: BoolArray

    def __post_init__(self) -> None:
        shapes = np.shape(self.target), np.shape(self.references), np.shape(self.trained_on)
        images = shapes[0][:1]
        if len(shapes[0]) != 1 or len(shapes[1]) != 2 or shapes[1][:1] != images or shapes[1] != shapes[2]:
            raise ReferenceScoresError(
                f"The target's scores are {shapes[0]}, the references' {shapes[1]} and trained_on {shapes[2]}; they "
                "have to be (n,), (n, r) and (n, r) for the same n images. Score the same images by every backbone."
            )
        if 0 in shapes[1]:
            raise ReferenceScoresError(
                f"There are {shapes[1][0]} images and {shapes[1][1]} reference backbones; a calibration needs one of "
                "each at least. Raise membership.references.count, or take another attack."
            )
        if broken := int((~np.isfinite(self.target)).sum() + (~np.isfinite(self.references)).sum()):
            raise ReferenceScoresError(
                f"{broken} scores are not finite, so they cannot be compared. Look for the backbone that gives them: "
                "its training may have diverged."
            )

    @classmethod
    def together(cls, parts: Sequence["ReferenceScores"]) -> "ReferenceScores":
        """The images of several backbones, which have equally many references each, as if they were one's."""
        target = np.concatenate([part.target for part in parts])
        references = np.concatenate([part.references for part in parts])
        return cls(target, references, np.concatenate([part.trained_on for part in parts]))

    def out_side(self) -> Side:
        """References that were not trained on the image. Raises MissingReferencesError if an image has none."""
        _, out = self.sides()
        if missing := int((out.number == 0).sum()):
            raise MissingReferencesError(
                f"{missing} of {len(out.number)} images were training images of every reference backbone, so how hard "
                "they are anyway is unknown. Raise membership.references.count, or leave these images out."
            )
        return out

    def sides(self) -> tuple[Side, Side]:
        """References that were trained on the image, and those that were not; either may be none."""
        trained_on = np.asarray(self.trained_on, bool)
        return self._side(trained_on), self._side(~trained_on)

    def _side(self, chosen: BoolArray) -> Side:
        references = np.asarray(self.references, np.float64)
        number = chosen.sum(1).astype(np.float64)
        mean = references.sum(1, where=chosen) / np.maximum(number, 1)
        squares = np.square(references - mean[:, None]).sum(1, where=chosen)
        return Side(number, mean, squares)


def mean_gap(inside: FloatArray, out: FloatArray) -> float:
    """Mean of `inside` less `out` over the images that have both; (n,) each, NaN if an image has no such references.

    Raises MissingReferencesError if no image has both.
    """
    both = ~(np.isnan(inside) | np.isnan(out))
    if not both.any():
        raise MissingReferencesError(
            f"None of {len(out)} images of the attacker's own has both, references that were trained on it and others "
            "that were not, so what training on an image does is unknown. Raise membership.targets, or calibrate "
            "offline."
        )
    return float(np.mean(inside[both] - out[both]))


def fill(inside: FloatArray, out: FloatArray, gap: float) -> tuple[FloatArray, FloatArray]:
    """Put the other side's value in place of NaN, `gap` away."""
    return np.where(np.isnan(inside), out + gap, inside), np.where(np.isnan(out), inside - gap, out)


def shared_variance(scores: ReferenceScores, is_member: BoolArray, side: Side) -> float:
    """Variance > 0 of one image's score from backbone to backbone, the same for all of the attacker's own images.

    Pooled within images over the references of `side`, else over those that were not trained on an image, so a
    constant added to all scores of an image changes nothing, and no label enters. If no image has two references on
    a side, non-members' own scores stand in, by their spread around the references' mean. 1 if that is 0.
    """
    _, out = scores.sides()
    for candidate in (side, out):
        if (pooled := candidate.squares.sum()) > 0:
            return float(pooled / np.maximum(candidate.number - 1, 0).sum())
    non_members = ~np.asarray(is_member, bool) & (out.number > 0)
    if not non_members.any():
        return 1.0
    differences: FloatArray = scores.target[non_members] - out.mean[non_members]
    return float(np.var(differences) / np.mean(1 + 1 / out.number[non_members])) or 1.0
