"""Erasure: whether people who asked to be forgotten are still found, method by method and person by person."""

from faceleak.metrics.erasure import FOUND
from faceleak.reporting.audit.blocks import figure, frame_table
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.parts import Block, Cell, Paragraph, Section, Table
from faceleak.reporting.erasure import CHANCE, COSTS, NOTE, OF_PEOPLE, SHOWN, Erased, read_erasure
from faceleak.reporting.formats import heading, measured
from faceleak.reporting.style import words

FILE = "erasure_metrics.json"
MEANS = (
    "A person is found in a backbone if at most 5 % of people whom it never saw stand out as much. So chance finds "
    "5 %, also in a backbone that was trained without them (gold). The verdict is about these attackers and these "
    "images; it is no certificate that the erasure was complete, and no legal advice."
)


def section(evidence: Evidence) -> Section:
    """A verdict for each method, its numbers by every attacker, utility and time, and a verdict for each person."""
    return Section(id="erasure", title="Erasure", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    tree = evidence.stage(FILE, "erasure")
    if not tree:
        return [evidence.missing("Whether people who were to be erased are still found", FILE)]
    methods = read_erasure(tree)
    return [
        Paragraph(text=MEANS),
        *(_told(one) for one in methods),
        _by_attacker(methods),
        _cost(methods),
        figure(
            evidence,
            "erasure.png",
            "What is still found, and at what cost",
            "One row a method: the share of erased people found by each attacker with its interval, beside the "
            "change of the verification AUC; the tables here hold the same numbers.",
        ),
        *_people(evidence),
    ]


def _told(one: Erased) -> Paragraph:
    return Paragraph(text=one.sentence, warning=one.verdict == FOUND)


def _by_attacker(methods: list[Erased]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (words(one.method), words(attacker), *(measured(numbers, metric) for metric in (*OF_PEOPLE, *SHOWN)))
        for one in methods
        for attacker, numbers in one.by_attacker.items()
    ]
    return Table(
        caption="Erased people by every attacker",
        columns=("method", "attacker", *map(heading, (*OF_PEOPLE, *SHOWN))),
        rows=tuple(rows),
        note=NOTE,
    )


def _cost(methods: list[Erased]) -> Table:
    metrics = [name for name in COSTS if any(name in one.numbers for one in methods)]
    rows: list[tuple[Cell, ...]] = [
        (words(one.method), *(measured(one.numbers, metric) for metric in metrics)) for one in methods
    ]
    return Table(
        caption="Utility and time of each method", columns=("method", *map(heading, metrics)), rows=tuple(rows)
    )


def _people(evidence: Evidence) -> list[Block]:
    people = evidence.files.table("erasure_verdicts.csv")
    if people is None:
        return [evidence.missing("What can be said of each person", "erasure_verdicts.csv")]
    if not evidence.configuration.report.show_people:
        people = people.drop(columns="identity")
    caption = f"Each erased person: rates at which they are found before and after, {CHANCE} being chance"
    return [frame_table(people, caption, map(words, people.columns), folded=True)]
