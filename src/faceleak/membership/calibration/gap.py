"""What training on an image adds to its score, on average: it stands in where an image lacks references of one side.

Online references are trained on random images, independently of the target: otherwise, which of them know an image
would tell whether the target does. Of few such references, some images have none on a side.
"""

import numpy as np

from faceleak.membership.calibration.reference_scores import FloatArray, MissingReferencesError


def mean_gap(inside: FloatArray, out: FloatArray) -> float:
    """Mean of `inside` less `out` over the images that have both; (n,) each, NaN where an image has no such references.

    Raises MissingReferencesError where no image has both.
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
