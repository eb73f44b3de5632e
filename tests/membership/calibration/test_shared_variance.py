import numpy as np
import pytest

from faceleak.membership.calibration.reference_scores import ReferenceScores
from faceleak.membership.calibration.shared_variance import shared_variance


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
