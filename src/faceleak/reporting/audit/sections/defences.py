"""Defences: privacy against utility of every variant, by every attacker, and what is recommended."""

from typing import Any

import pandas as pd

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.metric_tables import metric_table
from faceleak.reporting.audit.parts import Block, Cell, Markdown, Measured, Missing, PrivacyUtilityPlot, Section, Table
from faceleak.reporting.privacy_points import ACCESSES, by_access, on_pareto_front, strongest_attackers
from faceleak.reporting.style import words

POINTS = "privacy_utility.csv"
MEASURES = {"utility": "verification AUC", "attack_auc": "AUC of the attack", "tpr_at_fpr_1pct": "TPR at 1 % FPR"}


def section(evidence: Evidence) -> Section:
    """Recommendation, plot, Pareto front, every attacker against every variant, reconstruction and proven ε."""
    return Section(id="defences", title="Defences", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    points = evidence.files.table(POINTS)
    if points is None:
        return [evidence.missing("Defended variants of the target", POINTS)]
    points = points.fillna({"undoing": ""})
    recommendation = evidence.files.text("recommendation.md")
    panels = list(by_access(points))
    return [
        Markdown(text=recommendation)
        if recommendation
        else evidence.missing("The recommendation", "recommendation.md"),
        PrivacyUtilityPlot(file=POINTS),
        *(_front(access, rows) for access, rows in panels),
        *(_attackers(access, rows) for access, rows in panels),
        *_reconstruction(evidence),
        _claims(evidence),
    ]


def front(rows: pd.DataFrame) -> pd.DataFrame:
    """The variants of one access that no other one beats, against their strongest attackers."""
    best = strongest_attackers(rows)
    return best[on_pareto_front(best)].sort_values("utility", ascending=False)


def _front(access: str, rows: pd.DataFrame) -> Table:
    return _points_table(
        front(rows),
        ("variant", "attacker", "attack", "undoing"),
        f"Pareto front, {ACCESSES[access]}: variants that no other one beats in both, against their strongest attacker",
    )


def _attackers(access: str, rows: pd.DataFrame) -> Table:
    table = _points_table(
        rows,
        ("variant", "attacker", "attack", "undoing"),
        f"Every variant against every attacker, {ACCESSES[access]}",
    )
    note = "Undoing: what the attacker did to the variant first. The attack is the attacker's strongest."
    return table.model_copy(update={"folded": True, "note": note})


def _points_table(rows: pd.DataFrame, names: tuple[str, ...], caption: str) -> Table:
    return Table(
        caption=caption,
        columns=(*names, *MEASURES.values()),
        rows=tuple(_row(row, names) for row in rows.to_dict("records")),
    )


def _row(row: dict[Any, Any], names: tuple[str, ...]) -> tuple[Cell, ...]:
    return (*(str(row[name]) or "nothing" for name in names), *(_measured(row, measure) for measure in MEASURES))


def _measured(row: dict[Any, Any], measure: str) -> Measured:
    value, low, high = (row[f"{measure}{end}"] for end in ("", "_ci_low", "_ci_high"))
    return Measured(value=_known(value), low=_known(low), high=_known(high))


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _reconstruction(evidence: Evidence) -> list[Block]:
    variants = evidence.files.tree("defense_reconstruction_metrics.json")
    if variants is None:
        return [evidence.missing("Reconstruction from the variants", "defense_reconstruction_metrics.json")]
    steps = {
        f"{variant}, {attack}": found["optimised"]
        for variant, stages in variants.items()
        for attack, found in stages.get("reconstruction", {}).items()
        if "optimised" in found
    }
    return [metric_table(steps, "variant and attack", "Reconstruction from every variant, optimised", folded=True)]


def _claims(evidence: Evidence) -> Table | Missing:
    claims = evidence.files.table("privacy_claims.csv")
    if claims is None:
        return evidence.missing("Proven ε beside measured ε", "privacy_claims.csv")
    return Table(
        caption="Differential privacy: what a variant proves about ε, and what attacks prove about it",
        columns=tuple(map(words, claims.columns)),
        rows=tuple(claims.astype(object).where(claims.notna(), None).itertuples(index=False, name=None)),
        note="" if len(claims) else "No variant proves an ε for the whole backbone.",
    )
