"""Variants side by side, for the terminal and for documents: what each costs, and what every attacker still gets."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from faceleak.reporting.privacy_points import ACCESSES, by_access, checked, records, strongest_attackers
from faceleak.reporting.tables import empty_table, markdown
from faceleak.reporting.verdict import interval_text

Tree = Mapping[str, Any]

ATTACKERS = ("static", "refitted", "adaptive")
COLUMNS = ("variant", "utility", *ATTACKERS, "undone by", "false sense of security", "TPR@1 %")
NAME_WIDTH, UNDOING_WIDTH = 20, 15  # so that a row has at most 100 columns
NOTHING = "–"


def defence_tables(points: pd.DataFrame, results: Mapping[str, Tree]) -> list[Table]:
    """Make one table an access, with AUC ± half the width of its interval, then one of reconstruction's advantage.

    points: as `privacy_points.collect` gives them; results: variant → stage → … → number, of which the reconstruction
    is shown. Each is at most 100 columns wide. Raises ReportingError as `privacy_points.checked` does.
    """
    tables = [_access_table(access, rows) for access, rows in by_access(checked(points))]
    return [*tables, *_reconstruction_tables(results)]


def points_markdown(points: pd.DataFrame) -> str:
    """Write the same as Markdown, a heading and a table an access, with intervals. Errors as for `defence_tables`."""
    return "\n".join(
        f"**{ACCESSES[access].capitalize()}**\n\n{markdown(comparison(rows, interval_text))}"
        for access, rows in by_access(checked(points))
    )


def comparison(points: pd.DataFrame, write: Callable[[Tree, str], str]) -> pd.DataFrame:
    """A row a variant in the order of the table, all text (`COLUMNS`), – where unknown.

    points: checked ones of one access. `write` makes text of a row's metric with its interval. "undone by" is what the
    adaptive attacker did first, TPR@1 % the highest one that any of the attackers reaches.
    """
    rows = []
    for variant, of_variant in points.groupby("variant", sort=False):
        by_attacker = {row["attacker"]: row for row in records(of_variant)}
        rates = of_variant.dropna(subset="tpr_at_fpr_1pct")
        highest = next(iter(records(strongest_attackers(rates, "tpr_at_fpr_1pct"))), {})
        first = records(of_variant)[0]
        adaptive = by_attacker.get("adaptive", {"undoing": NOTHING})
        cells = (
            *(str(variant), write(first, "utility")),
            *(write(by_attacker.get(attacker, {}), "attack_auc") for attacker in ATTACKERS),
            str(adaptive["undoing"]) or "nothing",
            _number(first["false_sense_of_security"], "+.3f"),
            write(highest, "tpr_at_fpr_1pct"),
        )
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _access_table(access: str, points: pd.DataFrame) -> Table:
    columns = ("utility", "static\nAUC", "refitted\nAUC", "adaptive\nAUC", "undone by", "false\nsense", "TPR\n@1 %")
    table = empty_table(f"Defences against an attacker with {ACCESSES[access]}", "variant", *columns)
    table.caption = Text("false sense of security: AUC adaptive − static; TPR@1 %: the highest of any attacker")
    table.columns[0].max_width = NAME_WIDTH
    undoing = table.columns[COLUMNS.index("undone by")]
    undoing.no_wrap, undoing.overflow, undoing.max_width, undoing.justify = False, "fold", UNDOING_WIDTH, "left"
    for row in comparison(points, _with_half_width).to_dict("records"):
        table.add_row(*(Text(str(row[column])) for column in COLUMNS))
    return table


def _with_half_width(metrics: Tree, metric: str) -> str:
    value, low, high = (metrics.get(f"{metric}{end}", float("nan")) for end in ("", "_ci_low", "_ci_high"))
    if metric == "tpr_at_fpr_1pct" or pd.isna(low) or pd.isna(high):
        return _number(value)
    return f"{value:.3f} ±{(high - low) / 2:.2f}".replace("±0.", "±.")


def _number(value: float, form: str = ".3f") -> str:
    return NOTHING if pd.isna(value) else f"{value:{form}}"


def _reconstruction_tables(results: Mapping[str, Tree]) -> list[Table]:
    columns = [f"{attacker}\nattacker" for attacker in ATTACKERS]
    table = empty_table("Reconstruction, optimised: match advantage over controls", "variant", *columns)
    for variant, stages in results.items():
        by_attacker = {name.rpartition("_")[2]: steps for name, steps in stages.get("reconstruction", {}).items()}
        optimised = [by_attacker.get(attacker, {}).get("optimised", {}) for attacker in ATTACKERS]
        table.add_row(
            Text(variant), *(_number(step.get("match_advantage", float("nan")), "+.3f") for step in optimised)
        )
    return [table] if any("reconstruction" in stages for stages in results.values()) else []
