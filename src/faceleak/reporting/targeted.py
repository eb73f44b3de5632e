"""What an embedding or an image of a person gives away: tables for the terminal, and a picture of some faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.face_canvas import MARGIN, STEP, Pixels, draw_face, face_canvas, write
from faceleak.reporting.style import BLUE, GREY, VERMILION, words
from faceleak.reporting.tables import empty_table
from faceleak.reporting.verdict import interval_text

Tree = Mapping[str, Any]

KINDS = ("members", "strangers")
COLOURS = {"members": VERMILION, "strangers": BLUE}
COMPARED = {
    "members": "members, training photos",
    "members_other_images": "members, other images",
    "strangers": "strangers, other images",
    "member_excess": "members less strangers",
}
TEMPLATES = "Faces made of a leaked embedding: share accepted as its person by all judges"
PERSONS = "Faces searched from one image: share of the person's photos by which all judges accept them"
ROW, HEADINGS, FOOT = 1.24, 0.95, 0.62  # heights, in faces


def targeted_tables(targeted: Tree | None, person_image: Tree | None) -> list[Table]:
    """Make what a terminal of 100 columns shows of the metrics of one target, as far as they are there."""
    tables = []
    if targeted is not None:
        tables.append(_templates_table(targeted))
    if person_image is not None:
        tables.append(_person_table(person_image))
    return tables


def _templates_table(targeted: Tree) -> Table:
    columns = [f"{kind},\n{image} image" for image in ("this", "another") for kind in KINDS]
    table = empty_table(TEMPLATES, "method", *columns)
    for method, kinds in targeted.items():
        cells = [interval_text(kinds[kind], f"type_{number}_success_rate") for number in (1, 2) for kind in KINDS]
        table.add_row(words(method), *cells)
    table.caption = "It says what an embedding gives away, not who was trained on: it works for strangers as well."
    return table


def _person_table(person_image: Tree) -> Table:
    methods = {method: whose for method, whose in person_image.items() if method not in ("verdict", "start")}
    table = empty_table(PERSONS, "whose photos", *map(words, methods))
    for name, compared in COMPARED.items():
        table.add_row(compared, *(interval_text(whose[name], "match_rate") for whose in methods.values()))
    told = [f"{words(what)} {interval_text(found, 'auc')}" for what, found in person_image["verdict"].items()]
    table.caption = (
        f"AUC of telling members from strangers, by the score of what the method ends with: {', '.join(told)}."
    )
    return table


@dataclass(frozen=True, eq=False)
class Faces:
    """One part of the picture: `columns`, heading → pixels (n, height, width, 3), a row a person, members first.

    kinds: (n,) of `KINDS`. shares: heading → kind → a share in 0…1 that stands below the column.
    """

    title: str
    columns: Mapping[str, Pixels]
    kinds: Sequence[str]
    shares: Mapping[str, Mapping[str, float]]


def targeted_faces(parts: Sequence[Faces]) -> Figure:
    """Show some people, a row each: what was given, what was made of it, and a photo of theirs to compare.

    Raises ReportingError where there is nobody to show or the lengths differ.
    """
    for part in parts:
        lengths = [len(faces) for faces in part.columns.values()]
        if not part.kinds or {*lengths} != {len(part.kinds)}:
            raise ReportingError(
                f"{len(part.kinds)} people and columns of {', '.join(map(str, lengths))} faces do not make a picture. "
                "Hand in one face of each column a person."
            )
    width = max(7.6, 1.5 + STEP * max(len(part.columns) for part in parts))
    height = 0.65 + sum(HEADINGS + ROW * len(part.kinds) + FOOT for part in parts)
    figure, axes = face_canvas(width, height, "What one embedding, or one image, gives away")
    top = 0.65
    for part in parts:
        write(axes, part.title, MARGIN, top + 0.2, color=GREY)
        top += HEADINGS
        bottom = top + ROW * len(part.kinds)
        for row, kind in enumerate(part.kinds):
            write(axes, kind.removesuffix("s"), MARGIN, top + ROW * row + 0.5, color=COLOURS[kind])
        for place, (heading, faces) in enumerate(part.columns.items()):
            x = MARGIN + 0.95 + STEP * place
            write(axes, heading, x, top - 0.24)
            for row, face in enumerate(np.asarray(faces)):
                draw_face(axes, face, x, top + ROW * row)
            for line, (kind, share) in enumerate(part.shares.get(heading, {}).items()):
                write(axes, f"{kind} {100 * share:.0f} %", x, bottom + 0.02 + 0.2 * line, color=COLOURS[kind])
        top = bottom + FOOT
    return figure
