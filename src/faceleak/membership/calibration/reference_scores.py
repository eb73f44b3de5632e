"""What every calibration starts from: the same images scored by the target and by reference backbones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceleak.errors import FaceleakError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class ReferenceScoresError(FaceleakError):
    """Scores of target and references do not belong together, or are not numbers."""


class MissingReferencesError(FaceleakError):
    """Images lack the reference backbones that a calibration compares them with."""


class Side(NamedTuple):
    """The references of one side (trained on an image, or not), image by image.

    number: (n,) of references; mean: (n,) of their scores, 0 where there are none; squares: (n,) sum of the squared
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
    was trained on that image (all False where the attacker has no references that were: offline).
    Raises ReferenceScoresError where shapes disagree, nothing is there, or a score is not finite.
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
        """References that were not trained on the image. Raises MissingReferencesError where an image has none."""
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
