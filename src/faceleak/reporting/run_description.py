"""What a run says of itself in MLflow: verdicts and headline numbers as Markdown."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.style import words
from faceleak.reporting.tables import markdown
from faceleak.reporting.verdict import interval_text, read_membership

Tree = Mapping[str, Any]

MEMBERSHIP = {"AUC": ("auc", ".3f"), "TPR at FPR 1 %": ("tpr_at_fpr_1pct", ".3f")}
MEMBERSHIP |= {"over blind": ("advantage_over_blind", "+.3f")}
RECONSTRUCTION = {"member rate": ("member_match_rate", ".3f"), "control rate": ("control_match_rate", ".3f")}
RECONSTRUCTION |= {"advantage": ("match_advantage", "+.3f")}


def run_description(results: Mapping[str, Tree], recommendation: str = "") -> str:
    """Markdown: what the attacks say of each variant of `results`, headline tables, and a recommendation if any.

    results: variant → stage → attack → population or step → metric. Only a run of a single variant shows its tables.
    """
    parts = [_of_variant(variant, stages) for variant, stages in results.items()] if len(results) == 1 else []
    return "\n\n".join(part for part in (*parts, recommendation) if part)


def _of_variant(variant: str, stages: Tree) -> str:
    lines = [f"## {variant}"]
    if utility := stages.get("utility"):
        lines.append(f"Verification AUC on people it never saw: {interval_text(utility, 'verification_auc')}")
    membership = stages.get("membership", {})
    for population in reversed(POPULATIONS):
        measured = {attack: found[population] for attack, found in membership.items() if population in found}
        if measured:
            lines += [
                f"**{words(population)}**: {read_membership(membership, population)}",
                _table(measured, MEMBERSHIP),
            ]
    for attack, steps in stages.get("reconstruction", {}).items():
        lines += [f"**reconstruction by {attack}**", _table(steps, RECONSTRUCTION)]
    return "\n\n".join(lines)


def _table(measured: Tree, columns: Mapping[str, tuple[str, str]]) -> str:
    rows = [
        {"": name, **{title: interval_text(metrics, *column) for title, column in columns.items()}}
        for name, metrics in measured.items()
    ]
    return markdown(pd.DataFrame(rows))
