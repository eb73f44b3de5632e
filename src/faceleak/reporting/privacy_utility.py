"""Utility of each variant against what each attacker finds: a picture, and an interactive page."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from faceleak.common.words import counted
from faceleak.reporting.formats import ACCESSES, ENDS, HEADINGS, TPR, interval_text
from faceleak.reporting.labels import label_points
from faceleak.reporting.privacy_points import (
    Row,
    by_access,
    checked,
    compare_variants,
    front,
    records,
    strongest_attackers,
    sweeps,
)
from faceleak.reporting.style import (
    BLACK,
    GRAY,
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
from faceleak.reporting.templating import render

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

TITLE = "What defenses cost in recognition, and what each attacker still learns"
FRONT = "Pareto front against the strongest attacker"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x")
PLOT = "privacy-utility"
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,  # plotly.js 4 offers to upload the chart unless it is told not to
    "displayModeBar": False,  # its links have no names for those who do not see them
}
PLACE = ["utility", "attack_auc"]
INTERVALS = ("utility_ci_low", "utility_ci_high", "attack_auc_ci_low", "attack_auc_ci_high")
SAMPLES = 70  # along a line that numbers should not cover
PANEL_HEIGHT, LINE_HEIGHT = 5.8, 0.19  # in inches
NAMES_ACROSS, NAME_LENGTH = 3, 48  # of the list of variants

Points = NDArray[np.float64]  # (n, 2)


def privacy_utility_figure(points: pd.DataFrame) -> Figure:
    """Draw attack AUC over utility, a panel an access, a mark an attacker and variant, and each panel's Pareto front.

    points: as `privacy_points.collect` gives them. Variants are numbered in the order of the table and listed below. A
    variant's number, and its place on the Pareto front, is where its strongest attacker has it: a defense is as good as
    it is against the attacker who sees through it. Lines join strengths of one defense (`privacy_points.sweeps`).

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
    entitle(figure, TITLE)
    for access, rows in panels.items():
        strongest = strongest_attackers(rows)
        names = [f" {numbers[str(variant)]} " for variant in strongest["variant"]]  # apart: 3 and 2 are not 32
        label_points(all_axes[access], names, strongest[PLACE].to_numpy(float), _drawn(rows))
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, attackers: Sequence[str]) -> dict[str, Line2D]:
    """Draw one access and return what the legend explains, by label."""
    marks = {}
    for place, attacker in enumerate(attackers):
        of_attacker, color = rows[rows["attacker"] == attacker], in_turn(PALETTE, place)
        x, y = of_attacker["utility"], of_attacker["attack_auc"]
        bars: dict[str, Any] = {"color": color, "linewidth": 0.9, "alpha": 0.45}
        axes.vlines(x, of_attacker["attack_auc_ci_low"], of_attacker["attack_auc_ci_high"], **bars)
        axes.hlines(y, of_attacker["utility_ci_low"], of_attacker["utility_ci_high"], **bars)
        for line in _sweep_lines(of_attacker):
            axes.plot(*line.T, color=color, linewidth=1.2, alpha=0.7)
        label = f"{attacker} attacker"
        mark: dict[str, Any] = {"marker": in_turn(MARKERS, place), "markersize": 5.5, "linestyle": "none"}
        (marks[label],) = axes.plot(x, y, color=color, label=label, **mark)
    ring: dict[str, Any] = {"color": BLACK, "linewidth": 0.8, "linestyle": ":", "marker": "o", "markersize": 12}
    on_front = front(rows).sort_values("utility")[PLACE].to_numpy(float)
    (marks[FRONT],) = axes.plot(*on_front.T, markerfacecolor="none", label=FRONT, **ring)
    marks["chance"] = axes.axhline(0.5, color=GRAY, linewidth=0.9, linestyle=(0, (5, 3)), label="chance")
    tidy(axes)
    return marks


def _sweep_lines(rows: pd.DataFrame) -> list[Points]:
    """Places (n, 2) of the strengths of each defense, by strength. `rows` are of one access and attacker."""
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


def privacy_utility_page(points: pd.DataFrame) -> str:
    """Make one HTML page that needs no network: a plot to point at, a choice of access, and the tables beneath.

    points: as `privacy_points.collect` gives them. The plot shows what `privacy_utility_figure` shows; pointing at a
    mark names variant, attack, bypass and intervals. The page follows the reader's light or dark mode. It holds the
    whole of plotly.js (4.6 MB). Raises ReportingError as `privacy_points.checked` does.
    """
    tables = {ACCESSES[access].capitalize(): _table(rows) for access, rows in by_access(checked(points))}
    return render("privacy_utility.html.j2", title=TITLE, plot_section=plot_section(points), tables=tables)


def plot_section(points: pd.DataFrame) -> Markup:
    """The plot of `privacy_utility_page` as a part of any page, with plotly.js and the choice of access."""
    panels = dict(by_access(checked(points)))
    plot = _plot(panels, [str(attacker) for attacker in points["attacker"].unique()])
    plot_html = plot.to_html(full_html=False, include_plotlyjs=True, div_id=PLOT, config=CONFIG)
    section = render(
        "privacy_utility_plot.html.j2",
        plot=PLOT,
        plot_html=Markup(plot_html),  # noqa: S704
        accesses=list(panels),
        names=ACCESSES,
        caption=_caption(panels),
    )
    return Markup(section)  # noqa: S704


def _plot(panels: dict[str, pd.DataFrame], attackers: list[str]) -> "PlotlyFigure":
    from plotly.graph_objects import Figure as PlotlyFigure

    figure = PlotlyFigure()
    for access, rows in panels.items():
        shown = {"meta": access, "visible": access == next(iter(panels))}
        for place, attacker in enumerate(attackers):
            _add_attacker(figure, rows[rows["attacker"] == attacker], attacker, place, shown)
        on_front = front(rows).sort_values("utility")
        figure.add_scatter(
            x=on_front["utility"],
            y=on_front["attack_auc"],
            mode="lines+markers",
            name=FRONT,
            line={"color": GRAY, "width": 1, "dash": "dot"},
            marker={"symbol": "circle-open", "size": 19, "color": GRAY},
            hoverinfo="skip",
            **shown,
        )
    chance = {"color": GRAY, "width": 1, "dash": "dash"}
    figure.add_hline(0.5, line=chance, name="chance", showlegend=True)
    axis = {"showgrid": True, "gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GRAY},
        height=620,
        margin={"l": 60, "r": 20, "t": 20, "b": 60},
        legend={"orientation": "h", "y": -0.14},
        hovermode="closest",
        xaxis={"title": {"text": "Utility: verification AUC"}, **axis},
        yaxis={"title": {"text": "AUC of the attack"}, **axis},
    )
    return figure


def _add_attacker(figure: "PlotlyFigure", rows: pd.DataFrame, attacker: str, place: int, shown: dict[str, Any]) -> None:
    """Add the marks of one access and attacker, and lines that join strengths of one defense."""
    if rows.empty:
        return
    color = in_turn(PALETTE, place)
    of_variant = rows.set_index("variant")
    for variants in sweeps([str(variant) for variant in of_variant.index]):
        figure.add_scatter(
            x=of_variant.loc[variants, "utility"],
            y=of_variant.loc[variants, "attack_auc"],
            mode="lines",
            line={"color": color, "width": 1.5},
            opacity=0.6,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=attacker,
            **shown,
        )
    figure.add_scatter(
        x=rows["utility"],
        y=rows["attack_auc"],
        error_x=_bars(rows, "utility", color),
        error_y=_bars(rows, "attack_auc", color),
        mode="markers",
        marker={"color": color, "symbol": in_turn(SYMBOLS, place), "size": 10},
        name=f"{attacker} attacker",
        legendgroup=attacker,
        text=[_explained(row) for row in records(rows)],
        hovertemplate="%{text}<extra></extra>",
        **shown,
    )


def _bars(rows: pd.DataFrame, measure: str, color: str) -> dict[str, Any]:
    value, low, high = (rows[f"{measure}{end}"] for end in ENDS)
    return {
        "type": "data",
        "symmetric": False,
        "array": (high - value).fillna(0),
        "arrayminus": (value - low).fillna(0),
        "color": color,
        "thickness": 0.8,
        "width": 0,
    }


def _explained(row: Row) -> str:
    """What pointing at a mark shows, names escaped."""
    lines = [
        f"<b>{escape(str(row['variant']))}</b>, {escape(str(row['attacker']))} attacker",
        f"attack: {escape(str(row['attack']))}",
        f"bypassed by: {escape(str(row['bypass'])) or 'nothing'}",
        f"utility {interval_text(row, 'utility')}",
        f"AUC {interval_text(row, 'attack_auc')}",
        f"{HEADINGS[TPR]} {interval_text(row, TPR)}",
    ]
    return "<br>".join(lines)


def _caption(panels: dict[str, pd.DataFrame]) -> str:
    """A description of the plot, for readers who cannot see it."""
    sentences = ["Verification AUC (further right is better) against the AUC of the attack (lower is better)."]
    for access, rows in panels.items():
        named = ", ".join(
            f"{row['variant']} (utility {row['utility']:.3f}, AUC {row['attack_auc']:.3f})"
            for row in records(front(rows).sort_values("utility"))
        )
        of = counted(rows["variant"].nunique(), "variant")
        sentences.append(f"Of {of}, with {ACCESSES[access]}, on the Pareto front: {named}.")
    return " ".join([*sentences, "All numbers are in the tables below, 95 % intervals in brackets."])


def _table(rows: pd.DataFrame) -> Markup:
    table = compare_variants(rows, interval_text).to_html(index=False, border=0, justify="left")
    return Markup(table)  # noqa: S704
