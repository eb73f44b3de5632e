import numpy as np
import pytest

from faceleak.membership.calibration.reference_scores import ReferenceScores, ReferenceScoresError


def test_the_two_sides_of_an_image_by_hand():
    references = np.array([[1.0, 2.0, 6.0, 4.0], [5.0, 1.0, 3.0, 7.0]])
    trained_on = np.array([[False, True, False, True], [False, True, True, True]])
    scores = ReferenceScores(np.zeros(2), references, trained_on)
    out, inside = scores.out_side(), scores.in_side()
    assert [values.tolist() for values in out] == [[2, 1], [3.5, 5], [12.5, 0]]
    assert [values.tolist() for values in inside] == [[2, 3], [3, 11 / 3], [2, pytest.approx(56 / 3)]]


@pytest.mark.parametrize(
    ("target", "references", "trained_on", "message"),
    [
        ((3,), (2, 4), (2, 4), r"target's scores are \(3,\), the references' \(2, 4\)"),
        ((3,), (3,), (3,), r"the references' \(3,\)"),
        ((3,), (3, 4), (3, 5), r"trained_on \(3, 5\)"),
        ((3, 1), (3, 4), (3, 4), r"target's scores are \(3, 1\)"),
        ((3,), (3, 0), (3, 0), r"3 images and 0 reference backbones"),
        ((0,), (0, 2), (0, 2), r"0 images and 2 reference backbones"),
    ],
)
def test_scores_that_do_not_belong_together(target, references, trained_on, message):
    with pytest.raises(ReferenceScoresError, match=message):
        ReferenceScores(np.zeros(target), np.zeros(references), np.zeros(trained_on, bool))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_counted(broken):
    references = np.zeros((2, 3))
    references[1, 2] = broken
    with pytest.raises(ReferenceScoresError, match="2 scores are not finite"):
        ReferenceScores(np.array([broken, 0.0]), references, np.zeros((2, 3), bool))
