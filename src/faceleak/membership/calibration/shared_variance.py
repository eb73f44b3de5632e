"""One variance for all images: what few references leave to be said about how much a score varies."""

import numpy as np

from faceleak.membership.calibration.reference_scores import FloatArray, Side


def shared_variance(target: FloatArray, out: Side, side: Side) -> float:
    """Variance > 0 of one image's score from backbone to backbone, the same for all images.

    Pooled within images over the references of `side`, else over those of `out`, so that a constant added to all scores
    of an image changes nothing. Where no image has two references on a side, the spread of `target` (n,) around the
    references' mean stands in; it counts members among the variation and is on the large side. 1 where that is 0.
    """
    for candidate in (side, out):
        if (pooled := candidate.squares.sum()) > 0:
            return float(pooled / (candidate.number - 1).sum())
    differences = target - out.mean
    deviation = np.median(np.abs(differences - np.median(differences))) / 0.6745  # of a normal distribution
    if deviation == 0:
        deviation = np.std(differences)
    return float(deviation**2 / np.mean(1 + 1 / out.number)) or 1.0
