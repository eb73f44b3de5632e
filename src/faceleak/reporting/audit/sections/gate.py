"""The gate: which release policies hold."""

from collections.abc import Mapping
from typing import Any

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.gate import broken


def section(evidence: Evidence) -> Section:
    """Every policy with its value, limit and reason."""
    return Section(id="gate", title="Release policies", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    judged = evidence.files.tree("gate.json")
    if judged is None:
        return [evidence.missing("Whether the release policies hold", "gate.json")]
    violated = sum(not policy["passed"] for policy in judged)
    held = "The only policy holds." if len(judged) == 1 else f"All {len(judged)} policies hold."
    text = f"{broken(violated, len(judged))}." if violated else held
    columns = ("metric", "variant", "value", "at least", "at most", "holds", "reason")
    return [
        Paragraph(text=text, warning=bool(violated)),
        Table(caption="Policies of the configuration", columns=columns, rows=tuple(map(_row, judged))),
    ]


def _row(policy: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("metric", "variant", "value", "at_least", "at_most", "passed", "reason")
    return tuple(policy[name] for name in names)
