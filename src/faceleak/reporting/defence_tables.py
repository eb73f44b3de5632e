"""Variants side by side on the terminal: what each costs, and what every attacker still gets from it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from faceleak.reporting.tables import ATTACKERS, defence_table, empty_table

Tree = Mapping[str, Any]


def defence_tables(results: Mapping[str, Tree], population: str = "unseen_identity") -> list[Table]:
    """Make one table an attack: AUC against `population` by attacker, then one of reconstruction's advantage."""
    tables = [_attack_table(results, attack, population) for attack in _attacks(results)]
    return [*tables, *_reconstruction_tables(results)]


def _attacks(results: Mapping[str, Tree]) -> list[str]:
    names = {attack for stages in results.values() for attack in stages.get("membership", {})}
    suffixes = tuple(f"_{attacker}" for attacker in ATTACKERS)
    return sorted({name.rpartition("_")[0] for name in names if name.endswith(suffixes)})


def _attack_table(results: Mapping[str, Tree], attack: str, population: str) -> Table:
    columns = ("utility", "static\nattacker", "refitted\nattacker", "adaptive\nattacker", "false sense\nof security")
    table = empty_table(f"Defences against {attack}: AUC, {population}", "variant", *columns, "utility\nundone")
    for row in defence_table(results, attack, population).to_dict("records"):
        table.add_row(
            Text(str(row["variant"])),
            *(_with_interval(row, name) for name in ("utility", *ATTACKERS)),
            _number(row["false_sense_of_security"], "+.3f"),
            _number(row["adaptive_utility"]),
        )
    return table


def _with_interval(row: Mapping[Any, Any], name: str) -> str:
    if pd.isna(row[name]):
        return "–"
    return f"{row[name]:.3f} ±{(row[f'{name}_ci_high'] - row[f'{name}_ci_low']) / 2:.2f}"


def _number(value: float, form: str = ".3f") -> str:
    return "–" if pd.isna(value) else f"{value:{form}}"


def _reconstruction_tables(results: Mapping[str, Tree]) -> list[Table]:
    columns = [f"{attacker}\nattacker" for attacker in ATTACKERS]
    table = empty_table("Reconstruction, optimised: match advantage over controls", "variant", *columns)
    for variant, stages in results.items():
        by_attacker = {name.rpartition("_")[2]: steps for name, steps in stages.get("reconstruction", {}).items()}
        optimised = [by_attacker.get(attacker, {}).get("optimised", {}) for attacker in ATTACKERS]
        table.add_row(
            Text(variant), *(_number(step.get("match_advantage", float("nan")), "+.3f") for step in optimised)
        )
    return [table]
