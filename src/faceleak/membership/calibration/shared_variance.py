"""One variance for all images: what few references leave to be said about how much a score varies."""

import numpy as np

from faceleak.membership.calibration.reference_scores import BoolArray, FloatArray, ReferenceScores, Side


def shared_variance(scores: ReferenceScores, is_member: BoolArray, side: Side) -> float:
    """Variance > 0 of one image's score from backbone to backbone, the same for all of the attacker's own images.

    Pooled within images over the references of `side`, else over those that were not trained on an image, so that a
    constant added to all scores of an image changes nothing, and no label enters. Where no image has two references on
    a side, non-members' own scores stand in, by their spread around the references' mean. 1 where that is 0.
    """
    _, out = scores.sides()
    for candidate in (side, out):
        if (pooled := candidate.squares.sum()) > 0:
            return float(pooled / np.maximum(candidate.number - 1, 0).sum())
    strangers = ~np.asarray(is_member, bool) & (out.number > 0)
    if not strangers.any():
        return 1.0
    differences: FloatArray = scores.target[strangers] - out.mean[strangers]
    return float(np.var(differences) / np.mean(1 + 1 / out.number[strangers])) or 1.0
