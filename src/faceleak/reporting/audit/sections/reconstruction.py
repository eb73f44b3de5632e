"""Reconstruction: whose faces a generator draws when the target guides it; and attacks and searches that were tuned."""

from typing import Any

from faceleak.reporting.audit.blocks import figure, frame_table, tables_by
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.formats import heading, measured, percent
from faceleak.reporting.results import Tree
from faceleak.reporting.style import words
from faceleak.reporting.tuning import comparison_of, contenders, quantity_of, tuning_reading

FIRST_STEPS = ("random", "best_random")
KID = "KID is the distance of all faces of a step from photographs, as sets: 0 where nothing tells them apart."
BOUNDED = (
    "ceiling: photos of members drawn as nearly as the prior can, what a perfect attacker would draw; head given: the "
    "rows of the head inverted. Neither is an attack. A result means nothing beside a ceiling of 0: then this prior "
    "cannot draw them."
)
FAR = "A match is a cosine that only the configured share of non-members' comparisons reaches."
INTRODUCTION = (
    "A search for the strongest attack uses the attacker's own data alone. The best of many trials is partly the "
    "luckiest one, so what counts is its value on the audited people, whom no trial saw. The gap is the value on own "
    "data minus the one on fresh people: above 0, the search promised more than it kept."
)
STAGES = (
    ("tuning_metrics.json", "tuning", "Membership inference", "The tuned attack on membership", "attack"),
    (
        "tuning_reconstruction_metrics.json",
        "tuning_reconstruction",
        "Reconstruction",
        "The tuned reconstruction search",
        "search",
    ),
)
FIGURES = {
    "tuning": (
        ("tuning_study.png", "Trials on own data", "Value of every trial in order, and which parameters mattered."),
        ("tuning.png", "Own data and fresh people", ""),
    ),
    "tuning_reconstruction": (
        ("tuning_front.png", "Advantage against steps on own data", "Every trial, and those that no other one beats."),
        ("tuning_reconstruction.png", "Own target and audited target", ""),
    ),
}


def section(evidence: Evidence) -> Section:
    """All numbers by step, the members that were found, and the galleries."""
    return Section(id="reconstruction", title="Reconstruction", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    if not evidence.target.reconstruction:
        return [evidence.missing("Reconstruction from the target", "reconstruction_metrics.json")]
    tables = [
        table.model_copy(update={"note": f"{FAR} Controls were not trained on and match by chance. {KID} {BOUNDED}"})
        for table in tables_by(_in_order(evidence), 0, "step", "Reconstruction by the attack {}, step by step")
    ]
    return [*tables, *_hits(evidence), *_figures(evidence)]


def _figures(evidence: Evidence) -> list[Block]:
    shown, matcher = _in_words(evidence), evidence.configuration.reconstruction.independent[0]
    beside = "each beside a photograph of the nearest member and of the nearest control person; matches are framed"
    figures = {
        "gallery.png": ("Reconstructions beside the nearest people", f"Gallery of drawn faces, {beside}. {shown}"),
        "untrained_gallery.png": (
            "The same search without the target",
            f"Gallery of faces that the search finds when a network that learnt nothing guides it, {beside}.",
        ),
        "reconstruction_steps.png": ("From random to optimized", f"Faces step by step, a row a step. {shown}"),
        "film_strips.png": (
            "How single reconstructions came about",
            "A row a reconstruction: the face at the start and after each round of the search, its membership score "
            "below, and at the right a photograph of the member whom it resembles in the end, framed where it matches.",
        ),
        "embedding_map.png": (
            "Where reconstructions lie among people",
            f"A plane with members, control people and reconstructions as the evaluator {matcher} tells them apart, "
            "neighbors alike; reconstructions are colored by whom they match.",
        ),
    }
    return [figure(evidence, file, title, alt) for file, (title, alt) in figures.items()]


def _in_order(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """The first steps of each search before the others."""
    return {
        attack: {step: steps[step] for step in dict.fromkeys([*FIRST_STEPS, *steps]) if step in steps}
        for attack, steps in evidence.target.reconstruction.items()
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
    hits = evidence.hits
    if hits is None:
        return []
    if not evidence.configuration.report.show_people:
        hits = hits.drop(columns="identity")
    caption = "Training people who were recognized in reconstructions; known: the attacker had images of them"
    return [frame_table(hits, caption, map(words, hits.columns), folded=True)]


def tuning(evidence: Evidence) -> Section:
    """Both stages: default and tuned, the gap, and the figures."""
    found = [evidence.stage(file, stage) for file, stage, *_ in STAGES]
    introduction = [Paragraph(text=INTRODUCTION)] if any(found) else []
    blocks = [
        block
        for (file, stage, title, missing, first), tree in zip(STAGES, found, strict=True)
        for block in (_tuned(evidence, stage, title, first, tree) if tree else [evidence.missing(missing, file)])
    ]
    return Section(id="tuning", title="Tuned attacks", blocks=(*introduction, *blocks))


def _tuned(evidence: Evidence, stage: str, title: str, first: str, tree: Tree) -> list[Block]:
    reading = tuning_reading(tree)
    return [
        Paragraph(text=f"{title}. {reading}"),
        _tuning_table(tree, title, first),
        *(figure(evidence, file, name, f"{alt} {reading}".strip()) for file, name, alt in FIGURES[stage]),
    ]


def _tuning_table(tree: Tree, title: str, first: str) -> Table:
    quantity = quantity_of(tree)
    compared = comparison_of(tree)
    own, fresh = quantity.own_metric, quantity.fresh_metric
    steps = [metric for metric in ("steps_per_face",) if any(metric in values for values in tree.values())]
    rows = [(row, *(measured(tree[row], metric) for metric in (own, fresh, "gap", *steps))) for row in contenders(tree)]
    default, tuned = contenders(tree)
    difference = (
        f"{tuned} minus {default}",
        None,
        measured(compared, quantity.difference),
        None,
        *(None for _ in steps),
    )
    return Table(
        caption=f"{title}: default and tuned, {quantity.heading} on own data and on fresh people",
        columns=(first, "own data", "fresh people", "gap", *map(heading, steps)),
        rows=(*rows, difference),
        note="Intervals resample people of the audit; they do not tell how other searches would have ended.",
    )
