"""How single reconstructions came about: each face from the start to the end of the search."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.face_canvas import MARGIN, STEP, Pixels, draw_face, face_canvas, write
from faceleak.reporting.galleries import KNOWN_MEMBER, UNKNOWN_MEMBER
from faceleak.reporting.style import GREY, shortened

STRIP_COLUMNS = ("member_identity", "matches_member", "known")
ROW_HEIGHT = 1.28
TOP = 1.3
GAP = 0.35
EXPLAINED = (
    "below each face: its score by the attack of stage 1; higher says member",
    "framed: who is matched in the end; dashed, where the attacker had images of this member",
)


def film_strips(frames: Pixels, scores: NDArray[np.float32], members: Pixels, table: pd.DataFrame) -> Figure:
    """Show a row a face: as it started, after each round, and at the right the member whom it resembles in the end.

    frames: RGB (n, moments, height, width, 3), the first moment before the search, each other one after a round;
    scores: (n, moments), of stage 1, higher says member; members: RGB (n, height, width, 3); table, n rows:
    member_identity, matches_member, and known (the attacker had images of this member).

    Raises ReportingError where there is no face or the lengths differ.
    """
    check_columns(table, STRIP_COLUMNS, "filmed faces")
    if len({len(frames), len(scores), len(members), len(table)}) > 1:
        raise ReportingError(
            f"{len(frames)} films, {len(scores)} rows of scores, {len(members)} members and {len(table)} rows of the "
            "table do not belong together. Hand in one of each a face."
        )
    moments = frames.shape[1]
    columns = [*(MARGIN + STEP * place for place in range(moments)), MARGIN + STEP * moments + GAP]
    headings = ["start", *(f"after round {number}" for number in range(1, moments)), "nearest member"]
    height = TOP + ROW_HEIGHT * len(frames) + 0.2
    figure, axes = face_canvas(max(columns[-1] + STEP + MARGIN, 7), height, "How reconstructions come about")
    for line, y in zip(EXPLAINED, (0.58, 0.78), strict=True):
        write(axes, line, MARGIN, y, color=GREY)
    for heading, x in zip(headings, columns, strict=True):
        write(axes, heading, x, TOP - 0.13)
    for row, (film, of_film, member, (_, found)) in enumerate(
        zip(frames, scores, members, table.iterrows(), strict=True)
    ):
        y = TOP + row * ROW_HEIGHT
        for x, face, score in zip(columns, film, of_film, strict=False):
            draw_face(axes, face, x, y)
            write(axes, f"{score:z.1f}", x, y + 1.12)
        frame = KNOWN_MEMBER if found["known"] else UNKNOWN_MEMBER
        draw_face(axes, member, columns[-1], y, frame if found["matches_member"] else None)
        write(axes, shortened(str(found["member_identity"]), 14), columns[-1], y + 1.12, color=GREY)
    return figure
