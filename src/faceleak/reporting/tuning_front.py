"""A study of stage 2 as a figure: match advantage against steps, the Pareto front, and which parameters mattered."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

from faceleak.reporting.checks import check_columns
from faceleak.reporting.style import BLACK, BLUE, GREY, LABEL, LIGHT_GREY, SMALL, VERMILION, entitle, new_figure, tidy
from faceleak.reporting.tuning import draw_importances

COLUMNS = ("trial", "own_advantage", "own_advantage_error", "steps_per_face", "on_front", "chosen")


def front_figure(trials: pd.DataFrame, importances: Mapping[str, float]) -> Figure:
    """Draw every trial with its standard error, the front, the default and the chosen point, and importances.

    trials: trial, own_advantage in −1…1, own_advantage_error, steps_per_face, on_front, chosen, the first being the
    default search. importances: parameter → share in 0…1. Raises ReportingError where a column or all rows are missing.
    """
    check_columns(trials, COLUMNS, "trials")
    figure = new_figure(10, 4.6)
    plane, bars = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_plane(plane, trials)
    figure.legend(loc="outside lower left", ncols=4, fontsize=SMALL, frameon=False)
    draw_importances(bars, importances)
    entitle(figure, "Which search finds most members of the attacker's own target, at how many steps?")
    return figure


def _draw_plane(axes: Axes, trials: pd.DataFrame) -> None:
    steps, advantage = trials["steps_per_face"], trials["own_advantage"]
    axes.errorbar(
        steps, advantage, trials["own_advantage_error"], fmt="o", color=BLUE, ecolor=LIGHT_GREY, label="trial ± error"
    )
    front = trials[trials["on_front"]].sort_values(["steps_per_face", "own_advantage"])
    axes.step(
        front["steps_per_face"], front["own_advantage"], where="post", color=BLACK, linewidth=1.3, label="Pareto front"
    )
    default, chosen = trials.iloc[0], trials[trials["chosen"]].iloc[0]
    for point, marker, colour, label in ((default, "s", GREY, "default search"), (chosen, "D", VERMILION, "chosen")):
        place = point["steps_per_face"], point["own_advantage"]
        axes.plot(*place, marker, color=colour, fillstyle="none", markersize=11, label=label)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps:g}"))
    axes.set_xlabel("Steps for each face that is returned", fontsize=LABEL)
    axes.set_ylabel("Match advantage on own data", fontsize=LABEL)
    tidy(axes)
