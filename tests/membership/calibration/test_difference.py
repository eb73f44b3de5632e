import numpy as np

from faceleak.membership.calibration.difference import calibrate
from faceleak.membership.calibration.reference_scores import ReferenceScores

SCORES = ReferenceScores(
    np.array([5.0, 1.0]),
    np.array([[1.0, 3.0, 8.0], [2.0, 4.0, 6.0]]),
    np.array([[False, False, True], [False, True, True]]),
)


def test_the_mean_of_the_references_that_never_saw_the_image_is_taken_off():
    assert calibrate(SCORES).tolist() == [3.0, -1.0]


def test_online_it_is_the_midpoint_of_the_two_sides():
    assert calibrate(SCORES, online=True).tolist() == [5 - (2 + 8) / 2, 1 - (2 + 5) / 2]
