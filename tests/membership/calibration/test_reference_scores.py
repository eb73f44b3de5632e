import numpy as np
import pytest

from faceleak.membership.calibration.reference_scores import ReferenceScores, ReferenceScoresError, shared_variance


def test_the_two_sides_of_an_image_by_hand():
    references = np.array([[1.0, 2.0, 6.0, 4.0], [5.0, 1.0, 3.0, 7.0]])
    trained_on = np.array([[False, True, False, True], [False, True, True, True]])
    scores = ReferenceScores(np.zeros(2), references, trained_on)
    inside, out = scores.sides()
    assert [values.tolist() for values in out] == [[2, 1], [3.5, 5], [12.5, 0]]
    assert [values.tolist() for values in inside] == [[2, 3], [3, 11 / 3], [2, pytest.approx(56 / 3)]]
    assert [values.tolist() for values in scores.out_side()] == [values.tolist() for values in out]


def test_a_side_may_be_empty_and_only_the_others_are_known():
    scores = ReferenceScores(np.zeros(2), np.array([[1.0, 3.0], [5.0, 9.0]]), np.array([[False, False], [True, False]]))
    inside, _ = scores.sides()
    assert [values.tolist() for values in inside] == [[0, 1], [0, 5], [0, 0]]
    assert [values.tolist() for values in inside.known()] == [[1], [5], [0]]


def test_images_of_several_backbones_together():
    first = ReferenceScores(np.array([1.0]), np.array([[2.0, 3.0]]), np.array([[True, False]]))
    second = ReferenceScores(np.array([4.0, 7.0]), np.array([[5.0, 6.0], [8.0, 9.0]]), np.zeros((2, 2), bool))
    whole = ReferenceScores.together([first, second])
    assert whole.target.tolist() == [1, 4, 7]
    assert whole.references.tolist() == [[2, 3], [5, 6], [8, 9]]
    assert whole.trained_on.tolist() == [[True, False], [False, False], [False, False]]


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


def variances(target, references, trained_on, is_member):
    """Of the in- and of the out-side."""
    scores = ReferenceScores(np.array(target, float), np.array(references, float), np.array(trained_on, bool))
    return [shared_variance(scores, np.array(is_member, bool), side) for side in scores.sides()]


def test_squares_are_pooled_within_images_over_their_degrees_of_freedom():
    references = [[1.0, 3.0, 5.0, 0.0], [9.0, 2.0, 2.0, 0.0], [4.0, 4.0, 6.0, 8.0]]
    trained_on = [[0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1]]
    # out: 8 of 2, 0 of 1, 0 of 1 degrees; in: one reference, 40.5 of 1, 2 of 1
    assert variances(np.zeros(3), references, trained_on, [1, 0, 0]) == [pytest.approx(42.5 / 2), pytest.approx(8 / 4)]


def test_a_side_with_one_reference_an_image_takes_the_other_sides():
    inside, out = variances(np.zeros(2), [[1.0, 3.0, 7.0], [1.0, 1.0, 8.0]], [[0, 0, 1]] * 2, [1, 0])
    assert inside == out == pytest.approx(2 / 2)


def test_with_one_reference_in_all_non_members_stand_in():
    random = np.random.default_rng(0)
    hardness, is_member = random.normal(0, 9, 20_000), np.arange(20_000) % 2 == 0
    target, reference = hardness + random.normal(0, 3, (2, 20_000))
    _, out = variances(target + 50 * is_member, reference[:, None], np.zeros((20_000, 1)), is_member)
    assert out == pytest.approx(9.0, rel=0.05)


@pytest.mark.parametrize(("target", "expected"), [([0.0, 0, 0, 4, 100], 3.0 / 2), ([1.0, 1, 1, 1, 100], 1.0)])
def test_their_plain_variance_counts_and_else_one(target, expected):
    _, out = variances(target, np.zeros((5, 1)), np.zeros((5, 1)), [0, 0, 0, 0, 1])
    assert out == pytest.approx(expected)


def test_without_non_members_it_is_one():
    assert variances([5.0, 9.0], np.zeros((2, 1)), np.zeros((2, 1)), [1, 1]) == [1.0, 1.0]
