"""Metrics as tables: long for programs, short for the terminal."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from faceleak.metrics.identity_level import SETTINGS
from faceleak.metrics.membership import POPULATIONS
from faceleak.metrics.roc import non_members_needed
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.style import words
from faceleak.reporting.verdict import ASR_ASSUMES, UPPER_BOUND_NOTE, interval_text, is_blind, read_membership

Tree = Mapping[str, Any]

RESULT_COLUMNS = ("variant", "stage", "attack", "population_or_step", "metric", "value", "ci_low", "ci_high")
BOUNDS = ("_ci_low", "_ci_high")
TPR = "tpr_at_fpr_1pct"
NAME_WIDTH = 40
UTILITY_COLUMNS = {
    "verification_auc": "verification AUC",
    "tar_at_far_0.1pct": "TAR at\nFAR 0.1 %",
    "lfw_accuracy": "LFW\naccuracy",
}
VERDICT_STYLES = {"leaks": "bold red", "cannot conclude": "bold yellow", "no evidence": "bold"}


def results_table(metrics: Mapping[str, Tree]) -> pd.DataFrame:
    """List all metrics, a row each: variant, stage, attack, population_or_step, metric, value, ci_low, ci_high.

    metrics: variant → stage → attack → population or step → metric → number. Levels that a metric lacks are empty text,
    deeper ones are joined to the last one with "/"; a missing value or bound is NaN.
    Raises ReportingError for a value that is no number.
    """
    rows = [(variant, *row) for variant, stages in metrics.items() for row in _rows(stages, ())]
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def _rows(tree: Tree, path: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    stage, attack, *deeper = (*path, "", "")[: max(2, len(path))]
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _rows(value, (*path, name))
        elif not _is_bound(name, tree):
            numbers = (_number(tree.get(key), key) for key in (name, *(f"{name}{bound}" for bound in BOUNDS)))
            yield stage, attack, "/".join(deeper), name, *numbers


def _is_bound(name: str, tree: Tree) -> bool:
    return any(name.endswith(bound) and name.removesuffix(bound) in tree for bound in BOUNDS)


def _number(value: Any, metric: str) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, Real):
        raise ReportingError(f"`{metric}` is {value!r}, which is no number. Keep everything else out of the metrics.")
    return float(value)


def headline_tables(metrics: Mapping[str, Tree]) -> list[Table]:
    """Make what a terminal of 100 columns shows of `metrics`: utility, then each variant's attacks of both stages.

    Below a variant's membership metrics stands one line a population that says what they mean (`read_membership`).
    """
    tables = []
    if any(_utilities(stages) for stages in metrics.values()):
        tables.append(_utility_table(metrics))
    blind = _blind_baseline(metrics)
    for variant, stages in metrics.items():
        if "membership" in stages:
            tables.append(_membership_table(variant, stages["membership"], blind, stages.get("utility")))
        if "upper_bound" in stages:
            tables.append(_upper_bound_table(variant, stages["upper_bound"]))
    for variant, stages in metrics.items():
        for attack, steps in stages.get("reconstruction", {}).items():
            tables.append(_reconstruction_table(variant, attack, steps))
    return tables


def empty_table(title: str, name: str, *columns: str) -> Table:
    """Make an empty table for the terminal, whose first column holds names and the others numbers."""
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        caption_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(name, overflow="fold", max_width=NAME_WIDTH)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _utilities(stages: Tree) -> dict[str, Tree]:
    return {stage: measured for stage, measured in stages.items() if stage.startswith("utility")}


def _utility_table(metrics: Mapping[str, Tree]) -> Table:
    named = {
        f"{variant}{words(stage.removeprefix('utility'))}": measured
        for variant, stages in metrics.items()
        for stage, measured in _utilities(stages).items()
    }
    columns = [name for name in UTILITY_COLUMNS if any(name in measured for measured in named.values())]
    table = empty_table(
        "Utility on people the target never saw", "variant", *(UTILITY_COLUMNS[name] for name in columns)
    )
    for name, measured in named.items():
        table.add_row(Text(name), *(interval_text(measured, column) for column in columns))
    return table


def _add_attacks(table: Table, population: str, measured: Mapping[str, Tree]) -> None:
    table.add_row(Text(population, "bold"))
    for attack, numbers in measured.items():
        table.add_row(
            Text(f"  {attack}", "dim" if is_blind(attack) else ""),
            interval_text(numbers, "auc"),
            _cell(numbers, "asr"),
            _cell(numbers, TPR),
            _cell(numbers, "advantage_over_blind", "+.3f"),
        )


def _attacks_table(title: str) -> Table:
    return empty_table(title, "non-members, attack", "AUC", "ASR", "TPR at\nFPR 1 %", "over\nblind")


def _upper_bound_table(variant: str, attacks: Tree) -> Table:
    table = _attacks_table(f"Upper bound, with the classification head in hand: {variant}")
    for population in POPULATIONS:
        if measured := {attack: parts[population] for attack, parts in attacks.items() if population in parts}:
            _add_attacks(table, population, measured)
    table.caption = UPPER_BOUND_NOTE
    return table


def _membership_table(variant: str, membership: Tree, blind: Tree, utility: Tree | None) -> Table:
    table = _attacks_table(f"Membership inference: {variant}")
    readings = []
    for population in (*POPULATIONS, *SETTINGS):
        measured = {attack: parts[population] for attack, parts in membership.items() if population in parts}
        if not measured:
            continue
        if population in POPULATIONS:
            _add_attacks(table, population, measured)
        verdict, reason = read_membership(membership, population, blind.get(population), utility)
        readings.append(Text.assemble(f"{population}: ", (verdict, VERDICT_STYLES[verdict]), f": {reason}."))
    readings.append(Text(ASR_ASSUMES))
    if missing := _not_measurable(membership):
        readings.append(Text(missing))
    table.caption = Text("\n").join(readings)
    return table


def _not_measurable(membership: Tree) -> str:
    """Why a TPR is missing, in words; empty if none is."""
    few = [
        parts[population]["non_members"]
        for parts in membership.values()
        for population in POPULATIONS
        if population in parts and TPR in parts[population] and parts[population][TPR] is None
    ]
    if not few:
        return ""
    return (
        f"TPR at FPR 1 %: not measurable with {min(few):,.0f} non-members, {non_members_needed(0.01):.0f} are needed; "
        "tpr_at_lowest_fpr says what so many can show."
    )


def _blind_baseline(metrics: Mapping[str, Tree]) -> Tree:
    """The blind baseline's metrics by population, from the first variant that holds them: it is the same for all."""
    for stages in metrics.values():
        for attack, populations in stages.get("membership", {}).items():
            if is_blind(attack):
                return dict(populations)
    return {}


def _reconstruction_table(variant: str, attack: str, steps: Tree) -> Table:
    columns = (
        "member\nrate",
        "control\nrate",
        "advantage",
        "distinct\nmembers",
        "unknown\nmember rate",
        "KID to\nmembers",
        "KID to\ncontrols",
    )
    table = empty_table(f"Reconstruction: {variant}, {attack}", "step", *columns)
    for step, numbers in steps.items():
        table.add_row(
            Text(step),
            _cell(numbers, "member_match_rate"),
            _cell(numbers, "control_match_rate"),
            interval_text(numbers, "match_advantage", "+.3f"),
            _cell(numbers, "distinct_members", ".0f"),
            _cell(numbers, "unknown_member_match_rate"),
            _cell(numbers, "kid_to_members"),
            _cell(numbers, "kid_to_controls"),
        )
    return table


def _cell(measured: Tree, metric: str, form: str = ".3f") -> str:
    return "–" if pd.isna(measured.get(metric)) else f"{measured[metric]:{form}}"


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown: numbers with three decimals to the right, whole numbers without, – where empty."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    lines = [
        [str(column) for column in table.columns],
        ["---:" if is_numeric else "---" for is_numeric in numeric],
        *([_markdown_cell(value) for value in row] for row in table.itertuples(index=False)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _markdown_cell(value: Any) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|")
