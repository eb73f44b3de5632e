import numpy as np
import pytest

from faceleak.membership.calibration.reference_scores import Side
from faceleak.membership.calibration.shared_variance import shared_variance


def side(count, mean, squares):
    return Side(*(np.array(values, float) for values in (count, mean, squares)))


def test_squares_are_pooled_within_images_over_their_degrees_of_freedom():
    chosen = side([3, 1, 2], [0, 5, 9], [4.0, 0.0, 2.0])
    assert shared_variance(np.zeros(3), chosen, chosen) == 6.0 / 3


def test_a_side_with_one_reference_an_image_takes_the_other_sides():
    out, inside = side([3, 2], [0, 1], [4.0, 2.0]), side([1, 1], [7, 8], [0.0, 0.0])
    assert shared_variance(np.zeros(2), out, inside) == 2.0


def test_with_one_reference_in_all_the_target_stands_in():
    random = np.random.default_rng(0)
    hardness = random.normal(0, 9, 20_000)
    target, reference = hardness + random.normal(0, 3, (2, 20_000))
    single = side(np.ones(20_000), reference, np.zeros(20_000))
    assert shared_variance(target, single, single) == pytest.approx(9.0, rel=0.05)


@pytest.mark.parametrize(("target", "expected"), [([0.0, 0, 0, 4], 3.0 / 2), ([1.0, 1, 1, 1], 1.0)])
def test_where_most_differences_are_the_same_the_plain_variance_counts_and_else_one(target, expected):
    single = side([1] * 4, [0] * 4, [0] * 4)
    assert shared_variance(np.array(target), single, single) == pytest.approx(expected)
