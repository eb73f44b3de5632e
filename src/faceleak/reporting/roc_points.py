"""ROC curves as a table, for tools that draw them themselves (`dvc plots`)."""

import numpy as np
import pandas as pd

from faceleak.metrics.membership import MEMBER, POPULATIONS
from faceleak.metrics.roc import roc_curve

POINTS = 200


def roc_points(scores: pd.DataFrame) -> pd.DataFrame:
    """List points of each curve: attack, population, false_positive_rate, true_positive_rate (both in 0…1).

    scores: attack, threat_model, population, is_member and score, a row an image and attack. At most `POINTS` points a
    curve, evenly spread along it.
    """
    curves = []
    for (attack, threat_model), rows in scores.groupby(["attack", "threat_model"], sort=False):
        for population in POPULATIONS:
            chosen = rows[rows["population"].isin([MEMBER, population])]
            if not chosen["is_member"].all():
                curve = roc_curve(chosen["score"].to_numpy(float), chosen["is_member"].to_numpy(bool))
                kept = np.unique(np.linspace(0, len(curve.fpr) - 1, POINTS).round().astype(int))
                points = {"false_positive_rate": curve.fpr[kept], "true_positive_rate": curve.tpr[kept]}
                name = f"{attack}_{threat_model}"
                curves.append(pd.DataFrame({"attack": name, "population": population, **points}))
    return pd.concat(curves, ignore_index=True)
