"""Tuning as figures and in words: the trials, the parameters that mattered, and the result on fresh people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, SymmetricalLogLocator

from faceleak.reporting.checks import check_columns
from faceleak.reporting.formats import interval_text
from faceleak.reporting.style import (
    BLACK,
    BLUE,
    GRAY,
    LABEL,
    LIGHT_GRAY,
    SMALL,
    VERMILION,
    entitle,
    new_figure,
    shortened,
    tidy,
)

COLUMNS = ("trial", "state", "own_auc")
FRONT_COLUMNS = ("trial", "own_advantage", "own_advantage_error", "steps_per_face", "on_front", "chosen")
TUNED, OVER = "tuned", "_over_"  # a comparison with the default is named `<tuned>_over_<default>`
LEAST_MISSED = 1e-4
Tree = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Quantity:
    """What was tuned: `own_<name>` on own data and `fresh_<name>` on people whom no trial saw; in words, and paired."""

    name: str
    heading: str
    axis: str
    own: str
    compared: str

    @property
    def own_metric(self) -> str:
        """On own data."""
        return f"own_{self.name}"

    @property
    def fresh_metric(self) -> str:
        """On fresh people."""
        return f"fresh_{self.name}"

    @property
    def difference(self) -> str:
        """Of the tuned and the default one, on fresh people."""
        return f"{self.fresh_metric}_difference"


AUC = Quantity(
    "auc",
    "AUC",
    "AUC against the attacker's own mixture of non-members",
    "own data, cross-validated",
    ", pair by pair",
)
ADVANTAGE = Quantity("advantage", "advantage", "Match advantage: members minus controls", "own target", "")


def quantity_of(measured: Tree) -> Quantity:
    """What the two were tuned by and compared in."""
    return next(each for each in (AUC, ADVANTAGE) if any(each.difference in values for values in measured.values()))


def study_figure(trials: pd.DataFrame, importances: Mapping[str, float]) -> Figure:
    """Draw the value of every trial in order, the best so far, and how much each parameter mattered.

    trials: trial, state (`complete` or `pruned`) and own_auc in 0…1, the first being the default attack. importances:
    parameter → share in 0…1. Raises ReportingError if a column or all rows are missing.
    """
    check_columns(trials, COLUMNS, "trials")
    return _beside_importances(_draw_history, trials, importances, "Which attack is best on the attacker's own data?")


def _beside_importances(
    draw: Callable[[Axes, pd.DataFrame], None], trials: pd.DataFrame, importances: Mapping[str, float], title: str
) -> Figure:
    """The trials as `draw` shows them, and how much each parameter mattered."""
    figure = new_figure(10, 4.6)
    axes, bars = figure.subplots(1, 2, width_ratios=[3, 2])
    draw(axes, trials)
    figure.legend(loc="outside lower left", ncols=4, fontsize=SMALL, frameon=False)
    draw_importances(bars, importances)
    entitle(figure, title)
    return figure


def _draw_history(axes: Axes, trials: pd.DataFrame) -> None:
    complete = trials[trials["state"] == "complete"]
    pruned = trials[trials["state"] != "complete"]
    best = complete["own_auc"].cummax()
    axes.step(complete["trial"], _missed(best), where="post", color=BLACK, linewidth=1.3, label="best so far")
    default = _missed(trials["own_auc"]).iloc[0]
    axes.axhline(default, color=GRAY, linewidth=1, linestyle=(0, (4, 3)), label="default attack")
    axes.plot(complete["trial"], _missed(complete["own_auc"]), "o", color=BLUE, markersize=5, label="judged to the end")
    if len(pruned):
        label = "pruned: value where it ended"
        axes.plot(pruned["trial"], _missed(pruned["own_auc"]), "x", color=VERMILION, markersize=6, label=label)
    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda missed, _: f"{1 - missed:.4g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Trial", fontsize=LABEL)
    axes.set_ylabel("AUC on own data, cross-validated", fontsize=LABEL)
    tidy(axes)


def _missed(aucs: pd.Series) -> pd.Series:
    """What is missing to an AUC of 1, which is what differs if attacks are good."""
    return (1 - aucs).clip(lower=LEAST_MISSED)


def draw_importances(axes: Axes, importances: Mapping[str, float]) -> None:
    """Draw, in its own panel, how much each parameter mattered: a share in 0…1 each."""
    axes.set_title("Share of the spread explained (fANOVA)", fontsize=LABEL, loc="left")
    tidy(axes)
    if not importances:
        axes.text(0.5, 0.5, "too few trials differ to tell", ha="center", fontsize=LABEL, transform=axes.transAxes)
        axes.set_axis_off()
        return
    ordered = sorted(importances.items(), key=lambda item: item[1])
    rows = range(len(ordered))
    axes.barh(rows, [share for _, share in ordered], color=BLUE, height=0.6)
    for row, (_, share) in zip(rows, ordered, strict=True):
        axes.text(share, row, f" {share:.2f}", va="center", fontsize=SMALL)
    axes.set_yticks(rows, [shortened(name, 32) for name, _ in ordered])
    axes.set_xlim(0, max(importances.values()) * 1.15)


def front_figure(trials: pd.DataFrame, importances: Mapping[str, float]) -> Figure:
    """Draw every trial with its standard error, the front, the default and the chosen point, and importances.

    trials: trial, own_advantage in −1…1, own_advantage_error, steps_per_face, on_front, chosen, the first being the
    default search. importances: parameter → share in 0…1. Raises ReportingError if a column or all rows are missing.
    """
    check_columns(trials, FRONT_COLUMNS, "trials")
    title = "Which search finds most members of the attacker's own target, at how many steps?"
    return _beside_importances(_draw_plane, trials, importances, title)


def _draw_plane(axes: Axes, trials: pd.DataFrame) -> None:
    steps, advantage = trials["steps_per_face"], trials["own_advantage"]
    axes.errorbar(
        steps, advantage, trials["own_advantage_error"], fmt="o", color=BLUE, ecolor=LIGHT_GRAY, label="trial ± error"
    )
    front = trials[trials["on_front"]].sort_values(["steps_per_face", "own_advantage"])
    axes.step(
        front["steps_per_face"], front["own_advantage"], where="post", color=BLACK, linewidth=1.3, label="Pareto front"
    )
    default, chosen = trials.iloc[0], trials[trials["chosen"]].iloc[0]
    for point, marker, color, label in ((default, "s", GRAY, "default search"), (chosen, "D", VERMILION, "chosen")):
        place = point["steps_per_face"], point["own_advantage"]
        axes.plot(*place, marker, color=color, fillstyle="none", markersize=11, label=label)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps:g}"))
    axes.set_xlabel("Steps for each face that is returned", fontsize=LABEL)
    axes.set_ylabel("Match advantage on own data", fontsize=LABEL)
    tidy(axes)


def fresh_figure(measured: Tree) -> Figure:
    """Draw, for the default and the tuned one, the value on the data it was chosen by and on fresh people.

    measured: name → own and fresh value of one `Quantity` with its interval, and a last entry `<tuned>_over_<default>`
    with their difference, as both stages of the `tuning` pipeline measure them.
    """
    quantity = quantity_of(measured)
    figure = new_figure(7.2, 2.6)
    axes = figure.add_subplot()
    names = contenders(measured)
    own, fresh = quantity.own_metric, quantity.fresh_metric
    for row, values in enumerate(measured[name] for name in names):
        axes.axhspan(row - 0.5, row + 0.5, color=LIGHT_GRAY, alpha=0.25 * (row % 2), linewidth=0)
        axes.hlines(row, values[f"{fresh}_ci_low"], values[f"{fresh}_ci_high"], color=BLUE, linewidth=1.6)
        axes.plot(values[fresh], row, "o", color=BLUE, label=None if row else "fresh people, with interval")
        axes.plot(values[own], row, "D", color=VERMILION, fillstyle="none", label=None if row else quantity.own)
    axes.set_yticks(range(len(names)), names, fontsize=LABEL)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(quantity.axis, fontsize=LABEL)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    tidy(axes)
    difference = interval_text(comparison_of(measured), quantity.difference, "+.3f")
    entitle(figure, f"What tuning is worth on fresh people: {difference}")
    return figure


def contenders(measured: Tree) -> list[str]:
    """Names of the default and the tuned one."""
    return [name for name, values in measured.items() if quantity_of(measured).difference not in values]


def comparison_of(measured: Tree) -> Mapping[str, Any]:
    """The values of their comparison."""
    difference = quantity_of(measured).difference
    return next(values for values in measured.values() if difference in values)


def tuning_reading(measured: Tree) -> str:
    """Say in one sentence whether the tuned one beats the default one on people that neither was chosen by."""
    quantity = quantity_of(measured)
    (default, _), values = contenders(measured), comparison_of(measured)
    difference = interval_text(values, quantity.difference, "+.3f")
    if values[f"{quantity.difference}_ci_low"] > 0:
        return f"On fresh people {TUNED} beats {default}: {difference}{quantity.compared}."
    if values[f"{quantity.difference}_ci_high"] < 0:
        return f"On fresh people {TUNED} is worse than {default}: {difference}. Keep {default}."
    return f"On fresh people {TUNED} and {default} cannot be told apart: {difference}{quantity.compared}."
