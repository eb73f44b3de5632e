"""The first page as data: verdict, the two questions, what was tested, what it means, what to do, what is open."""

from typing import Literal

from faceleak.reporting.audit.parts import Measured, Missing, Part

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
    """What to do, and the command for it, where there is one."""

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


def weightiest(codes: list[Code]) -> Code:
    """The verdict that decides where there are several: a leak by any attack is a leak."""
    return min(codes, key=BY_WEIGHT.index, default="not tested")
