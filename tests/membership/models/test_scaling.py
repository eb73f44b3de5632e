import numpy as np

from faceleak.membership.models.scaling import Scaling, scaling_of


def test_columns_by_hand_and_a_constant_one():
    scaling = scaling_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert scaling == Scaling((2.0, 5.0), (1.0, 1.0))
    scaled = scaling.apply(np.array([[4.0, 6.0]]))
    assert scaled.tolist() == [[2.0, 1.0]]
    assert scaled.dtype == np.float32


def test_a_small_spread_around_a_large_mean_survives_single_precision():
    values = 1e8 + np.array([[0.0], [1.0], [2.0]])
    np.testing.assert_allclose(scaling_of(values).apply(values)[:, 0], np.sqrt(1.5) * np.array([-1, 0, 1]), rtol=1e-6)
