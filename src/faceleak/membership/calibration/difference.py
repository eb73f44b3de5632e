"""Difference to the references: the score less what backbones give that never saw the image (arXiv 2111.08440)."""

import numpy as np

from faceleak.membership.calibration import Fitted
from faceleak.membership.calibration.reference_scores import (
    BoolArray,
    FloatArray,
    ReferenceScores,
    Side,
    fill,
    mean_gap,
)


def fit(scores: ReferenceScores, is_member: BoolArray, online: bool = False) -> Fitted:  # noqa: ARG001  one form
    """Fit nothing offline; online the mean `gap` between the two sides. Raises MissingReferencesError."""
    return {"gap": mean_gap(*means(scores))} if online else {}


def calibrate(scores: ReferenceScores, fitted: Fitted, online: bool = False) -> FloatArray:
    """Subtract the mean of the out-references (eq. 4); online, the midpoint of out- and in-references' means.

    An image without references of one side has them, online, `gap` away from the other's. Returns (n,), in the score's
    own unit. Raises MissingReferencesError.
    """
    if not online:
        return scores.target - scores.out_side().mean
    inside, out = fill(*means(scores), fitted["gap"])
    return scores.target - (out + inside) / 2


def means(scores: ReferenceScores) -> tuple[FloatArray, FloatArray]:
    """Means of in- and out-references, (n,) each, NaN if an image has none."""
    inside, out = scores.sides()
    return _mean(inside), _mean(out)


def _mean(side: Side) -> FloatArray:
    return np.where(side.number > 0, side.mean, np.nan)
