"""The Pareto front, the point that is taken from it, and the default and the tuned search on the audited target."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.matcher import Gallery, Matcher
from faceleak.metrics.options import BootstrapOptions
from faceleak.tuning.reconstruction.results import Contender, choose, compare, importances, trials_table


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


OPTIONS = BootstrapOptions(resamples=200)
PEOPLE = 20
MATCHER = Matcher(
    Gallery(np.eye(41)[:PEOPLE], np.array([f"m{person}" for person in range(PEOPLE)])),
    Gallery(np.eye(41)[PEOPLE : 2 * PEOPLE], np.array([f"c{person}" for person in range(PEOPLE)])),
    frozenset({"m0"}),
    0.5,
)


def faces(members: int, controls: int) -> np.ndarray:
    """One face a member that is found, and a control; all others look a little like a member and a control."""
    rows = np.zeros((PEOPLE, 41))
    rows[np.arange(PEOPLE), np.arange(PEOPLE)] = np.where(np.arange(PEOPLE) < members, 0.7, 0.2)
    rows[np.arange(PEOPLE), PEOPLE + np.arange(PEOPLE)] = np.where(np.arange(PEOPLE) < controls, 0.6, 0.1)
    rows[:, 40] = np.sqrt(1 - (rows**2).sum(axis=1))
    return rows


def test_both_are_measured_and_the_gap_is_own_minus_fresh() -> None:
    default, tuned = Contender(0.2, 150.0, [faces(4, 1)]), Contender(0.6, 40.0, [faces(8, 1)])
    measured = compare(default, tuned, [MATCHER], OPTIONS)
    assert measured["default"]["fresh_advantage"] == pytest.approx(0.15)
    assert measured["tuned"]["fresh_advantage"] == pytest.approx(0.35)
    assert measured["tuned"]["gap"] == pytest.approx(0.25)
    alone = measure_match([faces(8, 1)], [MATCHER], OPTIONS)
    assert measured["tuned"]["gap_ci_low"] == pytest.approx(0.6 - alone["match_advantage_ci_high"])
    assert measured["tuned"]["distinct_members"] == 8
    assert (measured["default"]["steps_per_face"], measured["tuned"]["steps_per_face"]) == (150.0, 40.0)
    over = measured["tuned_over_default"]
    assert over["fresh_advantage_difference"] == pytest.approx(0.2)
    assert over["fresh_advantage_difference_ci_low"] < 0.2 < over["fresh_advantage_difference_ci_high"]
