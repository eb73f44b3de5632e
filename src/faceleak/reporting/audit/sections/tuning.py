"""Tuning: what the best of many attacks, or searches, is worth on people by whom it was not chosen."""

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.metric_tables import heading, measured
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.tuning import Tree, comparison_of, contenders, quantity_of, tuning_reading

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
    """Both stages: default and tuned, the gap, and the figures."""
    found = [evidence.stage(file, stage) for file, stage, *_ in STAGES]
    introduction = [Paragraph(text=INTRODUCTION)] if any(found) else []
    blocks = [
        block
        for (file, stage, title, missing, first), tree in zip(STAGES, found, strict=True)
        for block in (_blocks(evidence, stage, title, first, tree) if tree else [evidence.missing(missing, file)])
    ]
    return Section(id="tuning", title="Tuned attacks", blocks=(*introduction, *blocks))


def _blocks(evidence: Evidence, stage: str, title: str, first: str, tree: Tree) -> list[Block]:
    reading = tuning_reading(tree)
    return [
        Paragraph(text=f"{title}. {reading}"),
        _table(tree, title, first),
        *(figure(evidence, file, name, f"{alt} {reading}".strip()) for file, name, alt in FIGURES[stage]),
    ]


def _table(tree: Tree, title: str, first: str) -> Table:
    quantity = quantity_of(tree)
    compared = comparison_of(tree)[1]
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
