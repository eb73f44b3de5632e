"""Tuning as figures and a table: what was tried, which parameters mattered, what is left of it on fresh people."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from rich.table import Table
from rich.text import Text

from faceleak.reporting.checks import check_columns
from faceleak.reporting.style import (
    BLACK,
    BLUE,
    GREY,
    LABEL,
    LIGHT_GREY,
    SMALL,
    VERMILION,
    entitle,
    new_figure,
    shortened,
    tidy,
)
from faceleak.reporting.tables import empty_table
from faceleak.reporting.verdict import interval_text

COLUMNS = ("trial", "state", "own_auc")
OVER, DIFFERENCE = "_over_", "fresh_auc_difference"
LEAST_MISSED = 1e-4
Tree = Mapping[str, Mapping[str, Any]]


def study_figure(trials: pd.DataFrame, importances: Mapping[str, float]) -> Figure:
    """Draw the value of every trial in order, the best so far, and how much each parameter mattered.

    trials: trial, state (`complete` or `pruned`) and own_auc in 0…1, the first being the default attack. importances:
    parameter → share in 0…1. Raises ReportingError where a column or all rows are missing.
    """
    check_columns(trials, COLUMNS, "trials")
    figure = new_figure(10, 4.6)
    history, bars = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_history(history, trials)
    figure.legend(loc="outside lower left", ncols=4, fontsize=SMALL, frameon=False)
    _draw_importances(bars, importances)
    entitle(figure, "Which attack is best on the attacker's own data?")
    return figure


def _draw_history(axes: Axes, trials: pd.DataFrame) -> None:
    complete = trials[trials["state"] == "complete"]
    pruned = trials[trials["state"] != "complete"]
    best = complete["own_auc"].cummax()
    axes.step(complete["trial"], _missed(best), where="post", color=BLACK, linewidth=1.3, label="best so far")
    default = _missed(trials["own_auc"]).iloc[0]
    axes.axhline(default, color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="default attack")
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
    """What is missing to an AUC of 1, which is what differs where attacks are good."""
    return (1 - aucs).clip(lower=LEAST_MISSED)


def _draw_importances(axes: Axes, importances: Mapping[str, float]) -> None:
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


def fresh_figure(measured: Tree) -> Figure:
    """Draw, for the default and the tuned attack, the AUC on the data it was chosen by and on fresh people.

    measured: attack → own_auc and fresh_auc with its interval, and a last entry `<tuned>_over_<default>` with
    `fresh_auc_difference`, as the `tuning` pipeline measures them.
    """
    figure = new_figure(7.2, 2.6)
    axes = figure.add_subplot()
    attacks = [name for name, values in measured.items() if DIFFERENCE not in values]
    for row, name in enumerate(attacks):
        values = measured[name]
        axes.axhspan(row - 0.5, row + 0.5, color=LIGHT_GREY, alpha=0.25 * (row % 2), linewidth=0)
        axes.hlines(row, values["fresh_auc_ci_low"], values["fresh_auc_ci_high"], color=BLUE, linewidth=1.6)
        axes.plot(values["fresh_auc"], row, "o", color=BLUE, label="fresh people, with interval" if not row else None)
        own = "own data, cross-validated"
        axes.plot(values["own_auc"], row, "D", color=VERMILION, fillstyle="none", label=None if row else own)
    axes.set_yticks(range(len(attacks)), attacks, fontsize=LABEL)
    axes.set_ylim(len(attacks) - 0.5, -0.5)
    axes.set_xlabel("AUC against the attacker's own mixture of non-members", fontsize=LABEL)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    tidy(axes)
    difference = next(values for values in measured.values() if DIFFERENCE in values)
    paired = interval_text(difference, DIFFERENCE, "+.3f")
    entitle(figure, f"What tuning is worth on fresh people: {paired}")
    return figure


def tuning_table(measured: Tree) -> Table:
    """Make what a terminal shows of `measured` (see `fresh_figure`), and one line that reads it."""
    columns = ("AUC on own data", "AUC on fresh people", "gap")
    table = empty_table("Tuning: before and after", "attack", *columns)
    for name, values in measured.items():
        if DIFFERENCE not in values:
            cells = (interval_text(values, "fresh_auc"), interval_text(values, "gap", "+.3f"))
            table.add_row(Text(name), f"{values['own_auc']:.3f}", *cells)
    table.caption = Text(tuning_reading(measured))
    return table


def tuning_reading(measured: Tree) -> str:
    """Say in one sentence whether the tuned attack beats the default one on people that neither was chosen by."""
    name, values = next((name, values) for name, values in measured.items() if DIFFERENCE in values)
    tuned, _, default = name.partition(OVER)
    paired = interval_text(values, DIFFERENCE, "+.3f")
    if values[f"{DIFFERENCE}_ci_low"] > 0:
        return f"On fresh people {tuned} beats {default}: {paired}, pair by pair."
    if values[f"{DIFFERENCE}_ci_high"] < 0:
        return f"On fresh people {tuned} is worse than {default}: {paired}. Keep {default}."
    return f"On fresh people {tuned} and {default} cannot be told apart: {paired}, pair by pair."
