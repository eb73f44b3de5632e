"""What a report consists of, as data: the page, the JSON and its schema are all made from these."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of the report; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(Part):
    """A number and its interval, as far as they could be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


Cell = Measured | bool | int | float | str | None


class Paragraph(Part):
    """A few sentences; `warning` if the reader must not miss them."""

    kind: Literal["paragraph"] = "paragraph"
    text: str
    warning: bool = False


class Table(Part):
    """Rows of cells, the first of which names the row; `folded`: shown on demand."""

    kind: Literal["table"] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False


class Figure(Part):
    """A picture among the result files, and what is seen in it."""

    kind: Literal["figure"] = "figure"
    file: str
    title: str
    alt: str


class PrivacyUtilityPlot(Part):
    """The plot of privacy against utility to point at; the page draws it from `privacy_utility.csv`."""

    kind: Literal["privacy_utility_plot"] = "privacy_utility_plot"
    file: str


class Markdown(Part):
    """Text with headings and emphasis of its own."""

    kind: Literal["markdown"] = "markdown"
    text: str


class Missing(Part):
    """Results that are not there, and the command that makes them."""

    kind: Literal["missing"] = "missing"
    what: str
    command: str


class Command(Part):
    """A line for the terminal."""

    kind: Literal["command"] = "command"
    text: str


Block = Annotated[
    Paragraph | Table | Figure | PrivacyUtilityPlot | Markdown | Missing | Command, Field(discriminator="kind")
]


class Section(Part):
    """One section of the part for experts."""

    id: str
    title: str
    blocks: tuple[Block, ...]


Code = Literal["leaks", "cannot conclude", "no evidence", "not tested"]
BY_WEIGHT: tuple[Code, ...] = ("leaks", "cannot conclude", "no evidence", "not tested")


class Finding(Part):
    """One thing that was measured: what was asked, the answer in words, its number, and the attack that gave it."""

    asked: str
    answer: str
    found: Measured | None = None
    attack: str = ""


class Answer(Part):
    """One of the two questions, for the average and for the worst person."""

    question: str
    means: str
    verdict: Code
    reasons: tuple[str, ...]
    average: tuple[Finding, ...]
    worst: tuple[Finding | Missing, ...]


class Action(Part):
    """What to do, and the command for it, if there is one."""

    text: str
    command: str = ""


class Summary(Part):
    """The first page; `reading`: how its numbers are to be read."""

    verdict: Code
    headline: str
    reading: str
    answers: tuple[Answer, ...]
    tested: tuple[str, ...]
    meaning: tuple[str, ...]
    actions: tuple[Action, ...]
    untested: tuple[str, ...]


def heaviest(codes: list[Code]) -> Code:
    """The verdict that decides if there are several: a leak by any attack is a leak."""
    return min(codes, key=BY_WEIGHT.index, default="not tested")
