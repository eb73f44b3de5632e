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
KID = "KID is the distance of all faces of a step from photographs, as sets: 0 where nothing tells them apart."
FAR = "A match is a cosine that only the configured share of strangers' comparisons reaches."


def section(evidence: Evidence) -> Section:
    """All numbers by step, who was found, and the galleries."""
    return Section(id="reconstruction", title="Reconstruction", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    if not evidence.reconstruction:
        return [evidence.missing("Reconstruction from the target", "reconstruction_metrics.json")]
    tables = [
        table.model_copy(update={"note": f"{FAR} Controls were not trained on and match by chance. {KID}"})
        for table in tables_by(_in_order(evidence), 0, "step", "Reconstruction by the attack {}, step by step")
    ]
    return [*tables, *_hits(evidence), *_figures(evidence)]


def _figures(evidence: Evidence) -> list[Block]:
    shown, judge = _in_words(evidence), evidence.configuration.reconstruction.independent[0]
    beside = "each beside a photograph of the nearest member and of the nearest control person; matches are framed"
    figures = {
        "gallery.png": ("Reconstructions beside the nearest people", f"Gallery of drawn faces, {beside}. {shown}"),
        "untrained_gallery.png": (
            "The same search without the target",
            f"Gallery of faces that the search finds when a network that learnt nothing guides it, {beside}.",
        ),
        "reconstruction_steps.png": ("From random to optimised", f"Faces step by step, a row a step. {shown}"),
        "film_strips.png": (
            "How single reconstructions came about",
            "A row a reconstruction: the face at the start and after each round of the search, its membership score "
            "below, and at the right a photograph of the member whom it resembles in the end, framed where it matches.",
        ),
        "embedding_map.png": (
            "Where reconstructions lie among people",
            f"A plane with members, control people and reconstructions as the evaluator {judge} tells them apart, "
            "neighbours alike; reconstructions are coloured by whom they match.",
        ),
    }
    return [figure(evidence, file, title, alt) for file, (title, alt) in figures.items()]


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
