"""Defenses: privacy against utility of every variant, what is recommended, and which release policies hold."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.reporting.audit.blocks import frame_table, metric_table
from faceleak.reporting.audit.evidence import POINTS, Evidence
from faceleak.reporting.audit.parts import Block, Cell, Markdown, Missing, Paragraph, PrivacyUtilityPlot, Section, Table
from faceleak.reporting.formats import ACCESSES, OF_POINTS, measured
from faceleak.reporting.gate import broken
from faceleak.reporting.privacy_points import by_access, front, records
from faceleak.reporting.results import read_variants
from faceleak.reporting.style import words

NAMES = ("variant", "attacker", "attack", "bypass")


def section(evidence: Evidence) -> Section:
    """Recommendation, plot, Pareto front, every attacker against every variant, reconstruction and proven ε."""
    return Section(id="defenses", title="Defenses", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    points, recommendation = evidence.points, evidence.recommendation
    if points is None:
        return [evidence.missing("Defended variants of the target", POINTS)]
    panels = list(by_access(points))
    return [
        Markdown(text=recommendation.markdown())
        if recommendation
        else evidence.missing("The recommendation", "recommendation.md"),
        PrivacyUtilityPlot(file=POINTS),
        *(_front(access, rows) for access, rows in panels),
        *(_attackers(access, rows) for access, rows in panels),
        *_reconstruction(evidence),
        _claims(evidence),
    ]


def _front(access: str, rows: pd.DataFrame) -> Table:
    return _points_table(
        front(rows).sort_values("utility", ascending=False),
        f"Pareto front, {ACCESSES[access]}: variants that no other one beats in both, against their strongest attacker",
    )


def _attackers(access: str, rows: pd.DataFrame) -> Table:
    note = "Bypass: what the attacker did to the variant first. The attack is the attacker's strongest."
    return _points_table(rows, f"Every variant against every attacker, {ACCESSES[access]}", note=note, folded=True)


def _points_table(rows: pd.DataFrame, caption: str, **more: Any) -> Table:
    cells: list[tuple[Cell, ...]] = [
        (*(str(row[name]) or "nothing" for name in NAMES), *(measured(row, measure) for measure in OF_POINTS))
        for row in records(rows)
    ]
    return Table(caption=caption, columns=(*NAMES, *OF_POINTS.values()), rows=tuple(cells), **more)


def _reconstruction(evidence: Evidence) -> list[Block]:
    variants = evidence.files.tree("defense_reconstruction_metrics.json")
    if variants is None:
        return [evidence.missing("Reconstruction from the variants", "defense_reconstruction_metrics.json")]
    steps = {
        f"{variant.name}, {attack}": numbers
        for variant in read_variants(variants)
        for attack, numbers in variant.optimized.items()
    }
    return [metric_table(steps, "variant and attack", "Reconstruction from every variant, optimized", folded=True)]


def _claims(evidence: Evidence) -> Table | Missing:
    claims = evidence.files.table("privacy_claims.csv")
    if claims is None:
        return evidence.missing("Proven ε beside measured ε", "privacy_claims.csv")
    return frame_table(
        claims,
        "Differential privacy: what a variant proves about ε, and what attacks prove about it",
        map(words, claims.columns),
        note="" if len(claims) else "No variant proves an ε for the whole backbone.",
    )


def gate(evidence: Evidence) -> Section:
    """Every policy with its value, limit and reason."""
    return Section(id="gate", title="Release policies", blocks=tuple(_policies(evidence)))


def _policies(evidence: Evidence) -> list[Block]:
    judged = evidence.files.tree("gate.json")
    if judged is None:
        return [evidence.missing("Whether the release policies hold", "gate.json")]
    violated = sum(not policy["passed"] for policy in judged)
    held = "The only policy holds." if len(judged) == 1 else f"All {len(judged)} policies hold."
    text = f"{broken(violated, len(judged))}." if violated else held
    columns = ("metric", "variant", "value", "at least", "at most", "holds", "reason")
    return [
        Paragraph(text=text, warning=bool(violated)),
        Table(caption="Policies of the configuration", columns=columns, rows=tuple(map(_policy, judged))),
    ]


def _policy(policy: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("metric", "variant", "value", "at_least", "at_most", "passed", "reason")
    return tuple(policy[name] for name in names)
