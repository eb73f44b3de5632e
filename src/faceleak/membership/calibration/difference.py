"""Difference to the references: the score less what backbones give that never saw the image (arXiv 2111.08440)."""

from faceleak.membership.calibration.reference_scores import FloatArray, ReferenceScores


def calibrate(scores: ReferenceScores, online: bool = False) -> FloatArray:
    """Subtract the mean of the out-references (eq. 4); online, the midpoint of out- and in-references' means.

    Returns (n,), in the score's own unit. Raises MissingReferencesError.
    """
    expected = scores.out_side().mean
    if online:
        expected = (expected + scores.in_side().mean) / 2
    return scores.target - expected
