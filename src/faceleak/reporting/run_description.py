"""What a run says of itself in MLflow: verdicts and headline numbers as Markdown."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.privacy_points import ACCESSES, by_access, checked, strongest_attackers
from faceleak.reporting.style import words
from faceleak.reporting.tables import markdown
from faceleak.reporting.verdict import UPPER_BOUND_NOTE, interval_text, read_membership

Tree = Mapping[str, Any]

MEMBERSHIP = {"AUC": ("auc", ".3f"), "TPR at FPR 1 %": ("tpr_at_fpr_1pct", ".3f")}
MEMBERSHIP |= {"over blind": ("advantage_over_blind", "+.3f")}
RECONSTRUCTION = {"member rate": ("member_match_rate", ".3f"), "control rate": ("control_match_rate", ".3f")}
RECONSTRUCTION |= {"advantage": ("match_advantage", "+.3f")}


def run_description(results: Mapping[str, Tree], points: pd.DataFrame | None = None, recommendation: str = "") -> str:
    """Markdown: verdicts and headline tables where `results` hold a single variant, and what defences cost and bring.

    results: variant → stage → attack → population or step → metric. points: as `privacy_points.collect` gives them.
    The list of runs shows the first lines only: they hold what matters most.
    """
    parts = [_of_variant(variant, stages) for variant, stages in results.items()] if len(results) == 1 else []
    compared = "" if points is None else _of_defences(points)
    return "\n\n".join(part for part in (*parts, recommendation, compared) if part)


def _of_defences(points: pd.DataFrame) -> str:
    """A row a variant: what it still recognises, and the AUC of the strongest attacker of each access."""
    strongest = {access: strongest_attackers(rows, "attack_auc") for access, rows in by_access(checked(points))}
    leaks = {access: rows.set_index("variant")["attack_auc"] for access, rows in strongest.items()}
    utility = points.groupby("variant", sort=False)["utility"].first()
    table = {"variant": utility.index, "verification AUC": utility.to_numpy()}
    for access, leak in leaks.items():
        table[f"attack AUC, {ACCESSES[access]}"] = leak.reindex(utility.index).to_numpy()
    return markdown(pd.DataFrame(table))


def _of_variant(variant: str, stages: Tree) -> str:
    membership = stages.get("membership", {})
    populations = {
        population: {attack: found[population] for attack, found in membership.items() if population in found}
        for population in reversed(POPULATIONS)
    }
    lines = [
        f"**{variant}, {words(population)}**: {read_membership(membership, population, utility=stages.get('utility'))}"
        for population, measured in populations.items()
        if measured
    ]
    if utility := stages.get("utility"):
        lines.append(f"Verification AUC on people it never saw: {interval_text(utility, 'verification_auc')}")
    for population, measured in populations.items():
        if measured:
            lines += [f"**membership, {words(population)}**", _table(measured, MEMBERSHIP)]
    for population in reversed(POPULATIONS):
        bounds = {a: found[population] for a, found in stages.get("upper_bound", {}).items() if population in found}
        if bounds:
            lines += [f"**upper bound, {words(population)}**: {UPPER_BOUND_NOTE}", _table(bounds, MEMBERSHIP)]
    for attack, steps in stages.get("reconstruction", {}).items():
        lines += [f"**reconstruction by {attack}**", _table(steps, RECONSTRUCTION)]
    return "\n\n".join(lines)


def _table(measured: Tree, columns: Mapping[str, tuple[str, str]]) -> str:
    rows = [
        {"": name, **{title: interval_text(metrics, *column) for title, column in columns.items()}}
        for name, metrics in measured.items()
    ]
    return markdown(pd.DataFrame(rows))
