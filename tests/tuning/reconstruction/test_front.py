"""The Pareto front, and the point that is taken from it."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from faceleak.tuning.reconstruction.front import choose, importances, trials_table


def trial(advantage: float, steps: float, error: float = 0.1, x: float = 0.5):
    return create_trial(
        values=[advantage, steps],
        params={"x": x},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs={"own_advantage_error": error, "distinct_members": 3},
    )


def test_front_and_choice_by_hand() -> None:
    trials = [trial(0.2, 100), trial(0.5, 80), trial(0.41, 30), trial(0.39, 20), trial(0.1, 40)]
    table = trials_table(trials, 1.0)
    assert table["on_front"].tolist() == [False, True, True, True, False]
    assert table["chosen"].tolist() == [False, False, True, False, False]  # 0.39 lies below 0.5 − 0.1
    assert trials_table(trials, 0.0)["chosen"].tolist().index(True) == 1
    assert trials_table(trials, 1.2)["chosen"].tolist().index(True) == 3
    assert table.loc[0, ["x", "own_advantage", "steps_per_face", "distinct_members"]].tolist() == [0.5, 0.2, 100, 3]


POINTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.3]), st.sampled_from([1.0, 2.0, 3.0]), st.floats(0, 0.3)), min_size=1
)


@given(POINTS, st.floats(0, 2))
def test_the_chosen_point_is_on_the_front_and_as_good_as_the_best(points, standard_errors) -> None:
    table = trials_table([trial(*point) for point in points], standard_errors)
    (chosen,) = table[table["chosen"]].itertuples()
    assert chosen.on_front
    best = table[table["own_advantage"] == table["own_advantage"].max()].iloc[0]
    floor = best["own_advantage"] - standard_errors * best["own_advantage_error"]
    assert chosen.own_advantage >= floor
    assert not ((table["own_advantage"] >= floor) & (table["steps_per_face"] < chosen.steps_per_face)).any()


def test_of_equal_points_the_earliest_is_chosen() -> None:
    table = pd.DataFrame(
        {"trial": [0, 1, 2], "own_advantage": [0.1, 0.3, 0.3], "own_advantage_error": 0.0, "steps_per_face": 5.0}
    )
    assert choose(table, 1.0) == 1


def test_what_matters_is_found_and_where_nothing_differs_nothing_is_said() -> None:
    trials = [trial(place / 10, 5.0, x=place / 10) for place in range(10)]
    assert importances(trials, seed=0) == {"x": pytest.approx(1.0)}
    assert importances(trials[:1], seed=0) == {}
    assert importances([trial(0.2, 5), trial(0.2, 9)], seed=0) == {}
