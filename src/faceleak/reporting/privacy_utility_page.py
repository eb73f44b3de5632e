"""What each variant still recognises, and what each attacker still learns from it, as a page to look around in."""

from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.reporting.defence_tables import comparison
from faceleak.reporting.privacy_points import (
    ACCESSES,
    ENDS,
    Row,
    by_access,
    checked,
    on_pareto_front,
    records,
    strongest_attackers,
    sweeps,
)
from faceleak.reporting.style import GREY, PALETTE, in_turn
from faceleak.reporting.verdict import interval_text
from faceleak.words import counted

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TITLE = "What defences cost in recognition, and what each attacker still learns"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x")
PLOT = "privacy-utility"
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,  # plotly.js 4 offers to upload the chart unless it is told not to
    "displayModeBar": False,  # its links have no names for those who do not see them
}
PLOT_SECTION = """<div class="privacy-utility">
<fieldset><legend>The attacker has</legend>
{choices}
</fieldset>
<figure aria-describedby="privacy-utility-caption">
{plot_html}
<figcaption id="privacy-utility-caption">{caption}</figcaption>
</figure>
<script>
for (const choice of document.querySelectorAll('input[name="access"]')) {{
  choice.addEventListener("change", () => {{
    const plot = document.getElementById("{plot}");
    Plotly.restyle(plot, {{ visible: plot.data.map(trace => trace.meta === choice.value) }});
  }});
}}
</script>
</div>
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.35rem }} h2 {{ font-size: 1.05rem; margin-top: 2rem }}
fieldset {{ border: 0; padding: 0 }} legend {{ float: left; margin-right: 1rem }} label {{ margin-right: 1rem }}
figure {{ margin: 0 }} figcaption {{ max-width: 60rem }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }}
th, td {{ text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8884; white-space: nowrap }}
.privacy-utility :is(.xtick, .ytick, .xtitle, .ytitle, .legendtext, .annotation-text) text,
.privacy-utility :is(.xtitle, .ytitle, .legendtext) {{ fill: CanvasText !important }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{plot_section}
{tables}
</main>
</body>
</html>
"""


def privacy_utility_page(points: pd.DataFrame) -> str:
    """Make one HTML page that needs no network: a plot to point at, a choice of access, and the tables beneath.

    points: as `privacy_points.collect` gives them. The plot shows what `privacy_utility_figure` shows; pointing at a
    mark names variant, attack, undoing and intervals. The page follows the reader's light or dark mode. It holds the
    whole of plotly.js (4.6 MB). Raises ReportingError as `privacy_points.checked` does.
    """
    tables = "\n".join(_table(access, rows) for access, rows in by_access(checked(points)))
    return PAGE.format(title=TITLE, plot_section=plot_section(points), tables=tables)


def plot_section(points: pd.DataFrame) -> str:
    """The plot of `privacy_utility_page` as a part of any page, with plotly.js and the choice of access."""
    panels = dict(by_access(checked(points)))
    first = next(iter(panels))
    plot = _plot(panels, [str(attacker) for attacker in points["attacker"].unique()])
    return PLOT_SECTION.format(
        plot=PLOT,
        plot_html=plot.to_html(full_html=False, include_plotlyjs=True, div_id=PLOT, config=CONFIG),
        choices="\n".join(
            f'<label><input type="radio" name="access" value="{access}" autocomplete="off"'
            f"{' checked' if access == first else ''}> {ACCESSES[access]}</label>"
            for access in panels
        ),
        caption=_caption(panels),
    )


def _plot(panels: dict[str, pd.DataFrame], attackers: list[str]) -> "Figure":
    from plotly.graph_objects import Figure

    figure = Figure()
    for access, rows in panels.items():
        shown = {"meta": access, "visible": access == next(iter(panels))}
        for place, attacker in enumerate(attackers):
            _add_attacker(figure, rows[rows["attacker"] == attacker], attacker, place, shown)
        strongest = strongest_attackers(rows)
        front = strongest[on_pareto_front(strongest)].sort_values("utility")
        figure.add_scatter(
            x=front["utility"],
            y=front["attack_auc"],
            mode="lines+markers",
            name="Pareto front against the strongest attacker",
            line={"color": GREY, "width": 1, "dash": "dot"},
            marker={"symbol": "circle-open", "size": 19, "color": GREY},
            hoverinfo="skip",
            **shown,
        )
    chance = {"color": GREY, "width": 1, "dash": "dash"}
    figure.add_hline(0.5, line=chance, name="chance", showlegend=True)
    axis = {"showgrid": True, "gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY},
        height=620,
        margin={"l": 60, "r": 20, "t": 20, "b": 60},
        legend={"orientation": "h", "y": -0.14},
        hovermode="closest",
        xaxis={"title": {"text": "Utility: verification AUC"}, **axis},
        yaxis={"title": {"text": "AUC of the attack"}, **axis},
    )
    return figure


def _add_attacker(figure: "Figure", rows: pd.DataFrame, attacker: str, place: int, shown: dict[str, Any]) -> None:
    """Add the marks of one access and attacker, and lines that join strengths of one defence."""
    if rows.empty:
        return
    colour = in_turn(PALETTE, place)
    of_variant = rows.set_index("variant")
    for variants in sweeps([str(variant) for variant in of_variant.index]):
        figure.add_scatter(
            x=of_variant.loc[variants, "utility"],
            y=of_variant.loc[variants, "attack_auc"],
            mode="lines",
            line={"color": colour, "width": 1.5},
            opacity=0.6,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=attacker,
            **shown,
        )
    figure.add_scatter(
        x=rows["utility"],
        y=rows["attack_auc"],
        error_x=_bars(rows, "utility", colour),
        error_y=_bars(rows, "attack_auc", colour),
        mode="markers",
        marker={"color": colour, "symbol": in_turn(SYMBOLS, place), "size": 10},
        name=f"{attacker} attacker",
        legendgroup=attacker,
        text=[_explained(row) for row in records(rows)],
        hovertemplate="%{text}<extra></extra>",
        **shown,
    )


def _bars(rows: pd.DataFrame, measure: str, colour: str) -> dict[str, Any]:
    value, low, high = (rows[f"{measure}{end}"] for end in ENDS)
    return {
        "type": "data",
        "symmetric": False,
        "array": (high - value).fillna(0),
        "arrayminus": (value - low).fillna(0),
        "color": colour,
        "thickness": 0.8,
        "width": 0,
    }


def _explained(row: Row) -> str:
    """What pointing at a mark shows, names escaped."""
    lines = [
        f"<b>{escape(str(row['variant']))}</b>, {escape(str(row['attacker']))} attacker",
        f"attack: {escape(str(row['attack']))}",
        f"undone by: {escape(str(row['undoing'])) or 'nothing'}",
        f"utility {interval_text(row, 'utility')}",
        f"AUC {interval_text(row, 'attack_auc')}",
        f"TPR at 1 % FPR {interval_text(row, 'tpr_at_fpr_1pct')}",
    ]
    return "<br>".join(lines)


def _caption(panels: dict[str, pd.DataFrame]) -> str:
    """What is seen in the plot, for those who do not see it."""
    sentences = ["Verification AUC (further right is better) against the AUC of the attack (lower is better)."]
    for access, rows in panels.items():
        strongest = strongest_attackers(rows)
        front = strongest[on_pareto_front(strongest)].sort_values("utility")
        named = ", ".join(
            f"{escape(row['variant'])} (utility {row['utility']:.3f}, AUC {row['attack_auc']:.3f})"
            for row in records(front)
        )
        sentences.append(
            f"Of {counted(len(strongest), 'variant')}, with {ACCESSES[access]}, on the Pareto front: {named}."
        )
    return " ".join([*sentences, "All numbers are in the tables below, 95 % intervals in brackets."])


def _table(access: str, rows: pd.DataFrame) -> str:
    table = comparison(rows, interval_text).to_html(index=False, border=0, justify="left")
    return f'<h2>{ACCESSES[access].capitalize()}: AUC by attacker</h2>\n<div class="table">{table}</div>'
