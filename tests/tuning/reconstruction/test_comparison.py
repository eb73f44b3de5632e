"""The default and the tuned search on the audited target."""

import numpy as np
import pytest

from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.judge import Gallery, Judge
from faceleak.metrics.options import BootstrapOptions
from faceleak.tuning.reconstruction.comparison import Contender, compare

OPTIONS = BootstrapOptions(resamples=200)
PEOPLE = 20
JUDGE = Judge(
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
    measured = compare(default, tuned, [JUDGE], OPTIONS)
    assert measured["default"]["fresh_advantage"] == pytest.approx(0.15)
    assert measured["tuned"]["fresh_advantage"] == pytest.approx(0.35)
    assert measured["tuned"]["gap"] == pytest.approx(0.25)
    alone = measure_match([faces(8, 1)], [JUDGE], OPTIONS)
    assert measured["tuned"]["gap_ci_low"] == pytest.approx(0.6 - alone["match_advantage_ci_high"])
    assert measured["tuned"]["distinct_members"] == 8
    assert (measured["default"]["steps_per_face"], measured["tuned"]["steps_per_face"]) == (150.0, 40.0)
    over = measured["tuned_over_default"]
    assert over["fresh_advantage_difference"] == pytest.approx(0.2)
    assert over["fresh_advantage_difference_ci_low"] < 0.2 < over["fresh_advantage_difference_ci_high"]
