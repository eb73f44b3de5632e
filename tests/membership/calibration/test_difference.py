import numpy as np

from faceleak.membership.calibration.difference import calibrate, fit
from faceleak.membership.calibration.reference_scores import ReferenceScores

SCORES = ReferenceScores(
    np.array([5.0, 1.0]),
    np.array([[1.0, 3.0, 8.0], [2.0, 4.0, 6.0]]),
    np.array([[False, False, True], [False, True, True]]),
)


def test_the_mean_of_the_references_that_never_saw_the_image_is_taken_off():
    assert calibrate(SCORES, {}).tolist() == [3.0, -1.0]


def test_online_it_is_the_midpoint_of_the_two_sides():
    learnt = fit(SCORES, np.array([True, False]), online=True)
    assert learnt == {"gap": (6 + 3) / 2}
    assert calibrate(SCORES, learnt, online=True).tolist() == [5 - (2 + 8) / 2, 1 - (2 + 5) / 2]


def test_a_side_that_is_lacking_lies_a_gap_away():
    none_inside = ReferenceScores(np.array([5.0]), np.array([[1.0, 3.0]]), np.zeros((1, 2), bool))
    assert calibrate(none_inside, {"gap": 4.0}, online=True).tolist() == [5 - (2 + 6) / 2]
    none_outside = ReferenceScores(np.array([5.0]), np.array([[1.0, 3.0]]), np.ones((1, 2), bool))
    assert calibrate(none_outside, {"gap": 4.0}, online=True).tolist() == [5 - (2 - 2) / 2]
