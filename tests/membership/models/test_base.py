import numpy as np
import pandas as pd
import pytest

from faceleak.membership.models.base import Scaling, balanced_weights, folds_over_people, numbers, scaling_of


def test_numbers_follow_the_names():
    table = pd.DataFrame({"b": [1, 2], "other": ["x", "y"], "a": [3.5, 4.5]})
    assert numbers(table, ["a", "b"]).tolist() == [[3.5, 1.0], [4.5, 2.0]]


def test_no_person_is_fitted_on_and_held_out(cases):
    table = cases["mlp"][0](0)
    held_out = []
    for fitted, left_out in folds_over_people(table):
        assert not set(table["identity"].iloc[fitted]) & set(table["identity"].iloc[left_out])
        held_out.append(left_out)
    assert sorted(np.concatenate(held_out)) == list(range(len(table)))


def test_both_classes_weigh_the_same_and_one_on_average():
    is_member = np.array([True, False, False, False])
    assert balanced_weights(is_member).tolist() == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3])


def test_columns_by_hand_and_a_constant_one():
    scaling = scaling_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert scaling == Scaling((2.0, 5.0), (1.0, 1.0))
    scaled = scaling.apply(np.array([[4.0, 6.0]]))
    assert scaled.tolist() == [[2.0, 1.0]]
    assert scaled.dtype == np.float32


def test_a_small_spread_around_a_large_mean_survives_single_precision():
    values = 1e8 + np.array([[0.0], [1.0], [2.0]])
    np.testing.assert_allclose(scaling_of(values).apply(values)[:, 0], np.sqrt(1.5) * np.array([-1, 0, 1]), rtol=1e-6)
