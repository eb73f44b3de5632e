"""What each variant still recognises, and what each attacker still learns from it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.labels import label_points
from faceleak.reporting.style import (
    BLACK,
    GREY,
    LABEL,
    MARKERS,
    PALETTE,
    SMALL,
    entitle,
    in_turn,
    new_figure,
    shortened,
    tidy,
)

Metrics = Mapping[str, Any]

INTERVALS = ("utility_ci_low", "utility_ci_high", "attack_auc_ci_low", "attack_auc_ci_high")
SAMPLES = 150  # along a line that names should not cover


def privacy_utility_figure(points: pd.DataFrame) -> Figure:
    """Draw attack AUC over utility, a mark an attacker and variant, and the Pareto front of the variants.

    points: variant, attacker, utility (verification AUC), attack_auc and, with NaN where unknown, utility_ci_low,
    utility_ci_high, attack_auc_ci_low, attack_auc_ci_high; all in 0…1, one row a variant and attacker. Lines join an
    attacker's variants in the order of the table. A variant is named, and judged for the Pareto front, where its
    strongest attacker has it: a defence is as good as it is against the attacker who sees through it.

    Raises ReportingError where columns or rows are missing, a variant has an attacker twice, or utility or attack AUC
    is missing.
    """
    check_columns(points, ["variant", "attacker", "utility", "attack_auc", *INTERVALS], "points")
    if repeated := int(points.duplicated(["variant", "attacker"]).sum()):
        raise ReportingError(
            f"{repeated} of {len(points)} points repeat a variant and attacker, so lines would join different attacks. "
            "Select one attack and one population first."
        )
    if points[["utility", "attack_auc"]].isna().any(axis=None):
        raise ReportingError("Some points have no utility or no attack AUC, so they have no place. Measure both first.")
    figure = new_figure(9, 6.4)
    axes = figure.add_subplot()
    handles = []
    for place, (attacker, rows) in enumerate(points.groupby("attacker", sort=False)):
        x, y, colour = rows["utility"], rows["attack_auc"], in_turn(PALETTE, place)
        axes.vlines(x, rows["attack_auc_ci_low"], rows["attack_auc_ci_high"], color=colour, linewidth=1, alpha=0.6)
        axes.hlines(y, rows["utility_ci_low"], rows["utility_ci_high"], color=colour, linewidth=1, alpha=0.6)
        axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.5)
        mark = {"marker": in_turn(MARKERS, place), "markersize": 6.5, "linestyle": "none"}
        handles += axes.plot(x, y, color=colour, label=f"{attacker} attacker", **mark)
    strongest = strongest_attackers(points)
    front = strongest[on_pareto_front(strongest)].sort_values("utility")
    handles += axes.plot(
        *front[["utility", "attack_auc"]].to_numpy(float).T,
        color=BLACK,
        marker="o",
        markersize=13,
        markerfacecolor="none",
        linestyle="none",
        label="Pareto front against the strongest attacker",
    )
    handles.append(axes.axhline(0.5, color=GREY, linewidth=0.9, linestyle=":", label="chance"))
    axes.margins(0.12)
    axes.set_xlabel("Utility: verification AUC (further right is better)", fontsize=LABEL)
    axes.set_ylabel("AUC of the attack (lower is better)", fontsize=LABEL)
    tidy(axes)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    entitle(figure, "What defences cost in recognition, and what each attacker still learns")
    names = [shortened(str(variant), 32) for variant in strongest["variant"]]
    label_points(axes, names, strongest[["utility", "attack_auc"]].to_numpy(float), _drawn(points))
    return figure


def collect(
    utility: Mapping[str, Metrics],
    membership: Mapping[str, Metrics],
    attackers: Sequence[str],
    population: str = "unseen_identity",
) -> pd.DataFrame:
    """Make the points of `privacy_utility_figure` from metrics: a row a variant and attacker.

    utility: variant → `utility` → metrics; membership: variant → `membership` → attack, threat model and attacker →
    population → metrics. Of an attacker's attacks the one with the highest AUC counts, named in the column attack.
    Raises ReportingError where a variant lacks utility or an attacker.
    """
    rows = []
    for variant, stages in membership.items():
        useful = utility.get(variant, {}).get("utility", {})
        for attacker in attackers:
            attacks = {
                attack: populations[population]
                for attack, populations in stages["membership"].items()
                if attack.endswith(f"_{attacker}") and population in populations
            }
            if not attacks or "verification_auc" not in useful:
                raise ReportingError(
                    f"{variant} has no utility, or no AUC of a {attacker} attacker against {population}, so it has no "
                    "place in the comparison. Run the defense pipeline as a whole."
                )
            strongest = max(attacks, key=lambda attack: attacks[attack]["auc"])
            row = {"variant": variant, "attacker": attacker, "attack": strongest.removesuffix(f"_{attacker}")}
            for name, metrics, metric in (
                ("utility", useful, "verification_auc"),
                ("attack_auc", attacks[strongest], "auc"),
            ):
                row |= {f"{name}{end}": metrics.get(f"{metric}{end}", np.nan) for end in ("", "_ci_low", "_ci_high")}
            rows.append(row)
    return pd.DataFrame(rows)


def strongest_attackers(points: pd.DataFrame) -> pd.DataFrame:
    """The row with the highest attack_auc of each variant, in the order of the table."""
    order = points["variant"].drop_duplicates()
    strongest = points.loc[points.groupby("variant")["attack_auc"].idxmax()]
    return strongest.set_index("variant").loc[order].reset_index()


def on_pareto_front(points: pd.DataFrame) -> NDArray[np.bool_]:
    """Say of each row (n,) whether no other one has at least its utility at an attack AUC that is no higher.

    Of two rows one of which is better in one of the two and equal in the other, only the better one is on the front;
    equal rows are on it together.
    """
    utility, leak = (points[column].to_numpy(float) for column in ("utility", "attack_auc"))
    no_worse = (utility[:, None] >= utility) & (leak[:, None] <= leak)  # [i, j]: i is no worse than j
    better = (utility[:, None] > utility) | (leak[:, None] < leak)
    return np.asarray(~(no_worse & better).any(axis=0), dtype=bool)


def _drawn(points: pd.DataFrame) -> NDArray[np.float64]:
    """Samples (m, 2) of all marks, lines and error bars, which names should not cover."""
    along = np.linspace(0, 1, SAMPLES)[:, None]
    samples = []
    for _, rows in points.groupby("attacker"):
        places = rows[["utility", "attack_auc"]].to_numpy(float)
        samples += [places, *(a + along * (b - a) for a, b in pairwise(places))]
    for x, y, x_low, x_high, y_low, y_high in points[["utility", "attack_auc", *INTERVALS]].to_numpy(float):
        horizontal = np.column_stack([np.linspace(x_low, x_high, SAMPLES), np.full(SAMPLES, y)])
        vertical = np.column_stack([np.full(SAMPLES, x), np.linspace(y_low, y_high, SAMPLES)])
        samples += [bar for bar in (horizontal, vertical) if np.isfinite(bar).all()]
    return np.vstack(samples)
