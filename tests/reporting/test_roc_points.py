"""ROC curves as a table."""

import numpy as np
import pandas as pd

from faceleak.reporting.roc_points import POINTS, roc_points


def scores(members: list[float], strangers: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attack": "bn_distance",
            "threat_model": "shadow",
            "population": ["member"] * len(members) + ["unseen_identity"] * len(strangers),
            "is_member": [True] * len(members) + [False] * len(strangers),
            "score": members + strangers,
        }
    )


def test_points_of_a_curve_by_hand() -> None:
    points = roc_points(scores([3.0, 1.0], [2.0, 0.0]))
    assert set(points["attack"]) == {"bn_distance_shadow"}
    assert set(points["population"]) == {"unseen_identity"}
    found = list(zip(points["false_positive_rate"], points["true_positive_rate"], strict=True))
    assert found == [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    points = roc_points(scores(list(random.normal(1, 1, 2000)), list(random.normal(0, 1, 2000))))
    assert len(points) == POINTS
    ends = points.iloc[[0, -1]][["false_positive_rate", "true_positive_rate"]].to_numpy()
    np.testing.assert_array_equal(ends, [[0, 0], [1, 1]])
