"""What each variant still recognises, and what each attacker still learns from it, as a picture."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from faceleak.reporting.labels import label_points
from faceleak.reporting.privacy_points import (
    ACCESSES,
    by_access,
    checked,
    on_pareto_front,
    strongest_attackers,
    sweeps,
)
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

PLACE = ["utility", "attack_auc"]
INTERVALS = ("utility_ci_low", "utility_ci_high", "attack_auc_ci_low", "attack_auc_ci_high")
SAMPLES = 70  # along a line that numbers should not cover
PANEL_HEIGHT, LINE_HEIGHT = 5.8, 0.19  # in inches
NAMES_ACROSS, NAME_LENGTH = 3, 48  # of the list of variants

Points = NDArray[np.float64]  # (n, 2)


def privacy_utility_figure(points: pd.DataFrame) -> Figure:
    """Draw attack AUC over utility, a panel an access, a mark an attacker and variant, and each panel's Pareto front.

    points: as `privacy_points.collect` gives them. Variants are numbered in the order of the table and listed below. A
    variant's number, and its place on the Pareto front, is where its strongest attacker has it: a defence is as good as
    it is against the attacker who sees through it. Lines join strengths of one defence (`privacy_points.sweeps`).

    Raises ReportingError as `privacy_points.checked` does.
    """
    points = checked(points)
    numbers = {str(variant): str(place) for place, variant in enumerate(points["variant"].unique(), start=1)}
    attackers = [str(attacker) for attacker in points["attacker"].unique()]
    panels = dict(by_access(points))
    lines = -(-len(numbers) // NAMES_ACROSS)
    heights = [PANEL_HEIGHT, LINE_HEIGHT * lines]
    figure = new_figure(12.5, sum(heights) + 0.9)
    grid = figure.add_gridspec(2, len(panels), height_ratios=heights)
    all_axes: dict[str, Axes] = {}
    marks: dict[str, Line2D] = {}
    for column, (access, rows) in enumerate(panels.items()):
        shared = next(iter(all_axes.values()), None)
        axes = all_axes[access] = figure.add_subplot(grid[0, column], sharex=shared, sharey=shared)
        marks |= _draw_panel(axes, rows, attackers)
        axes.set_title(ACCESSES[access].capitalize(), fontsize=LABEL, loc="left", fontweight="bold")
        axes.set_xlabel("Utility: verification AUC (further right is better)", fontsize=LABEL)
        axes.margins(0.1)
    next(iter(all_axes.values())).set_ylabel("AUC of the attack (lower is better)", fontsize=LABEL)
    _list_names(figure.add_subplot(grid[1, :]), numbers, lines)
    figure.legend(
        handles=list(marks.values()), loc="outside lower center", ncols=len(marks), fontsize=SMALL, frameon=False
    )
    entitle(figure, "What defences cost in recognition, and what each attacker still learns")
    for access, rows in panels.items():
        strongest = strongest_attackers(rows)
        names = [f" {numbers[str(variant)]} " for variant in strongest["variant"]]  # apart: 3 and 2 are not 32
        label_points(all_axes[access], names, strongest[PLACE].to_numpy(float), _drawn(rows))
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, attackers: Sequence[str]) -> dict[str, Line2D]:
    """Draw one access and return what the legend explains, by label."""
    marks = {}
    for place, attacker in enumerate(attackers):
        of_attacker, colour = rows[rows["attacker"] == attacker], in_turn(PALETTE, place)
        x, y = of_attacker["utility"], of_attacker["attack_auc"]
        bars: dict[str, Any] = {"color": colour, "linewidth": 0.9, "alpha": 0.45}
        axes.vlines(x, of_attacker["attack_auc_ci_low"], of_attacker["attack_auc_ci_high"], **bars)
        axes.hlines(y, of_attacker["utility_ci_low"], of_attacker["utility_ci_high"], **bars)
        for line in _sweep_lines(of_attacker):
            axes.plot(*line.T, color=colour, linewidth=1.2, alpha=0.7)
        label = f"{attacker} attacker"
        mark: dict[str, Any] = {"marker": in_turn(MARKERS, place), "markersize": 5.5, "linestyle": "none"}
        (marks[label],) = axes.plot(x, y, color=colour, label=label, **mark)
    strongest = strongest_attackers(rows)
    front = strongest[on_pareto_front(strongest)].sort_values("utility")
    label = "Pareto front against the strongest attacker"
    ring: dict[str, Any] = {"color": BLACK, "linewidth": 0.8, "linestyle": ":", "marker": "o", "markersize": 12}
    (marks[label],) = axes.plot(*front[PLACE].to_numpy(float).T, markerfacecolor="none", label=label, **ring)
    marks["chance"] = axes.axhline(0.5, color=GREY, linewidth=0.9, linestyle=(0, (5, 3)), label="chance")
    tidy(axes)
    return marks


def _sweep_lines(rows: pd.DataFrame) -> list[Points]:
    """Places (n, 2) of the strengths of each defence, by strength. `rows` are of one access and attacker."""
    of_variant = rows.set_index("variant")[PLACE]
    return [of_variant.loc[variants].to_numpy(float) for variants in sweeps([str(name) for name in of_variant.index])]


def _list_names(axes: Axes, numbers: Mapping[str, str], lines: int) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, NAMES_ACROSS), ylim=(lines, 0))
    for place, (variant, number) in enumerate(numbers.items()):
        across, down = divmod(place, lines)
        style: dict[str, Any] = {"fontsize": SMALL, "verticalalignment": "center", "parse_math": False}
        axes.text(across + 0.05, down + 0.5, number, horizontalalignment="right", fontweight="bold", **style)
        axes.text(across + 0.08, down + 0.5, shortened(variant, NAME_LENGTH), **style)


def _drawn(rows: pd.DataFrame) -> Points:
    """Samples (m, 2) of all marks, lines and error bars, which numbers should not cover."""
    along = np.linspace(0, 1, SAMPLES)[:, None]
    samples = [rows[PLACE].to_numpy(float)]
    for _, of_attacker in rows.groupby("attacker"):
        samples += [a + along * (b - a) for line in _sweep_lines(of_attacker) for a, b in pairwise(line)]
    for x, y, x_low, x_high, y_low, y_high in rows[[*PLACE, *INTERVALS]].to_numpy(float):
        horizontal = np.column_stack([np.linspace(x_low, x_high, SAMPLES), np.full(SAMPLES, y)])
        vertical = np.column_stack([np.full(SAMPLES, x), np.linspace(y_low, y_high, SAMPLES)])
        samples += [bar for bar in (horizontal, vertical) if np.isfinite(bar).all()]
    return np.vstack(samples)
