import numpy as np
import pandas as pd
import pytest

from faceleak.membership.models.attackers_table import balanced_weights, folds_over_people, numbers


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
