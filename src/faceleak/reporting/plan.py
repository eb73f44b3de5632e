"""A plan as a table for the terminal."""

from typing import Any

from rich import box
from rich.table import Table

GIGABYTE, MEGABYTE = 1e9, 1e6
SCOPES = {"attack": "kedro run --pipelines=attack", "audit": "kedro run (the whole audit)"}


def plan_table(plan: dict[str, Any]) -> Table:
    """A row a kind of tasks, and one each for what the attack and the whole audit take."""
    workers = plan["machine"]["workers"]
    table = Table(title=f"What is still to be done, by {workers} workers", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("pipeline", "tasks of", "tasks", "there", "time", "of all cores", "disk", "memory"):
        table.add_column(name, justify="left" if name in ("pipeline", "tasks of") else "right")
    for line in plan["lines"]:
        there = f"{line['there']:,}" if line["kept"] else "anew"
        table.add_row(line["pipeline"], line["kind"], f"{line['tasks']:,}", there, *_numbers(line))
    table.add_section()
    for scope, total in plan["totals"].items():
        table.add_row("in all", SCOPES[scope], "", "", *_numbers(total), style="bold")
    return table


def rate_lines(plan: dict[str, Any]) -> list[str]:
    """Where times come from: each rate, measured or assumed."""
    found = []
    for who, rates in plan["rates"].items():
        for name, rate in rates.items():
            if rate["needed"]:
                found.append(f"  {name} ({who}): {1 / rate['seconds']:,.4g} a second; {rate['how']}")
    load = plan["machine"]["load"]
    return [f"Rates, at a load of {load:.1f}:", *found]


def _numbers(line: dict[str, Any]) -> tuple[str, str, str, str]:
    return duration(line["seconds"]), duration(line["cpu_seconds"]), size(line["disk"]), size(line["memory"])


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, whichever reads well."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def size(number: float) -> str:
    """Bytes as MB or GB."""
    return f"{number / GIGABYTE:,.1f} GB" if number >= GIGABYTE else f"{number / MEGABYTE:,.0f} MB"
