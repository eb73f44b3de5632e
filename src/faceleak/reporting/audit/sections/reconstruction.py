"""Reconstruction: whose faces a generator draws when the target guides it."""

from typing import Any

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.formats import percent
from faceleak.reporting.audit.metric_tables import measured, tables_by
from faceleak.reporting.audit.parts import Block, Section, Table
from faceleak.reporting.audit.people import hits_of_target
from faceleak.reporting.style import words

FIRST_STEPS = ("random", "best_random")
FAR = "A match is a cosine that only the configured share of strangers' comparisons reaches."


def section(evidence: Evidence) -> Section:
    """All numbers by step, who was found, and the galleries."""
    return Section(id="reconstruction", title="Reconstruction", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    if not evidence.reconstruction:
        return [evidence.missing("Reconstruction from the target", "reconstruction_metrics.json")]
    tables = [
        table.model_copy(update={"note": f"{FAR} Controls were not trained on and match by chance."})
        for table in tables_by(_in_order(evidence), 0, "step", "Reconstruction by the attack {}, step by step")
    ]
    shown = _in_words(evidence)
    return [
        *tables,
        *_hits(evidence),
        figure(
            evidence, "gallery.png", "Reconstructions beside the nearest people", f"Gallery of drawn faces. {shown}"
        ),
        figure(evidence, "reconstruction_steps.png", "From random to optimised", f"Faces step by step. {shown}"),
    ]


def _in_order(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """The first steps of each search before the others."""
    return {
        attack: {step: steps[step] for step in dict.fromkeys([*FIRST_STEPS, *steps]) if step in steps}
        for attack, steps in evidence.reconstruction.items()
    }


def _in_words(evidence: Evidence) -> str:
    sentences = []
    for attack, steps in _in_order(evidence).items():
        for step, numbers in steps.items():
            member, control = (measured(numbers, f"{who}_match_rate") for who in ("member", "control"))
            sentences.append(
                f"{attack}, {words(step)}: {percent(member)} match a member, {percent(control)} a control."
            )
    return " ".join(sentences)


def _hits(evidence: Evidence) -> list[Block]:
    hits = hits_of_target(evidence)
    if hits is None:
        return []
    if not evidence.configuration.report.show_people:
        hits = hits.drop(columns="identity")
    rows = hits.astype(object).where(hits.notna(), None)
    return [
        Table(
            caption="Training people who were recognised in reconstructions; known: the attacker had images of them",
            columns=tuple(map(words, hits.columns)),
            rows=tuple(rows.itertuples(index=False, name=None)),
            folded=True,
        )
    ]
