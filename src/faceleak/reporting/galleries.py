"""Faces to look at: who plays which role, what was reconstructed, and how a reconstruction came about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from faceleak.faces.store import FaceStore
from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.face_canvas import MARGIN, STEP, Pixels, draw_face, face_canvas, write
from faceleak.reporting.style import (
    BLUE,
    GREY,
    LABEL,
    ORANGE,
    ROLE_COLOURS,
    ROLE_MEANINGS,
    SMALL,
    VERMILION,
    shortened,
    words,
)

SHEET_ROLES = ("member", "unseen_identity", "auxiliary", "public")  # same_identity stands beside member
GALLERY_COLUMNS = (
    "score",
    "member_similarity",
    "control_similarity",
    "member_identity",
    "control_identity",
    "matches_member",
    "matches_control",
    "known",
)
GROUPS_ACROSS, GROUPS_DOWN = 4, 6
STAGE_COLUMNS = 12
LABEL_WIDTH = 1.9  # in faces, as all lengths here
SAME_PERSON_GAP = 0.3
HEADING = 0.6
TRIPLE_STEP = 1.24

UNKNOWN_MEMBER = {"edgecolor": VERMILION, "linestyle": "-"}
KNOWN_MEMBER = {"edgecolor": ORANGE, "linestyle": (0, (2, 0.8))}
CONTROL = {"edgecolor": BLUE, "linestyle": "-"}


def people_sheet(
    store: FaceStore, splits: pd.DataFrame, people_per_role: int = 4, images_per_person: int = 6
) -> Figure:
    """Show some people of each role, a row a person: what the target was trained on and what it is compared with.

    splits: image_id, identity, role, known. People are taken evenly from the sorted identities of a role, and their
    first images. Beside a member's images, half of `images_per_person`, stand same_identity images of the same person.

    Raises ReportingError where a column is missing or no image has a role, StoreError where an image is not in the
    store.
    """
    check_columns(splits, ["image_id", "identity", "role", "known"], "splits")
    people = {role: _some(splits.loc[splits["role"] == role, "identity"], people_per_role) for role in SHEET_ROLES}
    people = {role: identities for role, identities in people.items() if identities}
    if not people:
        raise ReportingError(f"No image has one of the roles {', '.join(SHEET_ROLES)}, so there is nobody to show.")
    rows = max(map(len, people.values()))
    columns = STEP * np.arange(images_per_person)
    block_width, block_height = LABEL_WIDTH + columns[-1] + 1 + SAME_PERSON_GAP + 0.4, HEADING + STEP * rows + 0.1
    across = min(2, len(people))
    figure, axes = face_canvas(
        max(across * block_width, 6),
        0.7 + -(-len(people) // across) * block_height,
        f"Who plays which role? {sum(map(len, people.values()))} of {splits['identity'].nunique():,} people",
    )
    for place, (role, identities) in enumerate(people.items()):
        x, y = MARGIN + (place % across) * block_width, 0.7 + (place // across) * block_height
        images = splits[splits["identity"].isin(identities)]
        _draw_role(axes, store, images, role, columns=x + LABEL_WIDTH + columns, y=y)
        for row, identity in enumerate(identities):
            known = bool(splits.loc[splits["identity"] == identity, "known"].any())
            _write_person(axes, str(identity), known, x, y + HEADING + row * STEP)
    return figure


def _some(identities: pd.Series, count: int) -> list[Any]:
    people = np.sort(identities.unique())
    return [people[place] for place in _evenly(len(people), count)]


def _evenly(length: int, count: int) -> list[int]:
    """At most `count` different places in 0…length − 1, the first and the last among them."""
    return [int(place) for place in np.linspace(0, length - 1, min(count, length)).round()]


def _draw_role(
    axes: Axes, store: FaceStore, images: pd.DataFrame, role: str, *, columns: NDArray[np.float64], y: float
) -> None:
    """Draw a row a person at these columns, below a heading; members give up half of theirs to same_identity."""
    half = -(-len(columns) // 2)
    parts = {role: columns}
    if role == "member":
        parts = {"member": columns[:half], "same_identity": columns[half:] + SAME_PERSON_GAP}
    for part, places in parts.items():
        if len(places):
            write(axes, part, places[0], y + 0.17, color=ROLE_COLOURS[part], fontweight="bold")
            write(axes, ROLE_MEANINGS[part], places[0], y + 0.39, color=GREY)
    for row, (_, of_person) in enumerate(images.sort_values("image_id").groupby("identity")):
        for part, places in parts.items():
            positions = store.positions(of_person.loc[of_person["role"] == part, "image_id"].head(len(places)))
            for x, position in zip(places, positions, strict=False):
                draw_face(axes, store.pixels(int(position)), x, y + HEADING + row * STEP)


def _write_person(axes: Axes, identity: str, known: bool, x: float, y: float) -> None:
    write(axes, shortened(identity, 20), x, y + 0.4)
    if known:
        write(axes, "known to the attacker", x, y + 0.6, color=GREY)


def reconstruction_gallery(
    reconstructions: Pixels,
    nearest_members: Pixels,
    nearest_controls: Pixels,
    table: pd.DataFrame,
    subject: str = "reconstructions",
) -> Figure:
    """Show reconstructions, each beside an image of the nearest member and one of the nearest control.

    Images: RGB (n, height, width, 3), each array of a size of its own. table, n rows: score (higher says member),
    member_similarity and control_similarity (cosines by the evaluator, −1…1), member_identity, control_identity,
    matches_member, matches_control, and known (the attacker had images of the nearest member). Groups are ordered by
    score; of more than 24, those shown are spread evenly over this order, so that they are no selection of the best.
    subject: what the title calls the faces.

    Raises ReportingError where a column or all rows are missing or the lengths differ.
    """
    check_columns(table, GALLERY_COLUMNS, "reconstructions")
    lengths = [len(table), len(reconstructions), len(nearest_members), len(nearest_controls)]
    if len(set(lengths)) > 1:
        raise ReportingError(
            f"The table has {lengths[0]} rows, but there are {lengths[1]} reconstructions, {lengths[2]} members and "
            f"{lengths[3]} controls: they do not belong together. Hand in one of each a row."
        )
    ranking = np.argsort(-table["score"].to_numpy(float), kind="stable")
    shown = ranking[_evenly(len(ranking), GROUPS_ACROSS * GROUPS_DOWN)]
    across = min(GROUPS_ACROSS, len(shown))
    group_width, group_height = 2 * TRIPLE_STEP + 1.45, 1.55
    top = 1.2 if len(shown) < len(table) else 0.85
    bottom = top + -(-len(shown) // across) * group_height
    title = (
        f"Whom do {subject} resemble? {int(table['matches_member'].sum())} of {len(table)} match a member, "
        f"{int(table['matches_control'].sum())} a control"
    )
    figure, axes = face_canvas(max(across * group_width, 9) + MARGIN, bottom + 0.6, title)
    if len(shown) < len(table):
        write(axes, f"{len(shown)} of {len(table)} are shown, spread evenly over the ranking by score", MARGIN, 0.62)
    for place, row in enumerate(shown):
        x, y = MARGIN + (place % across) * group_width, top + (place // across) * group_height
        if place < across:
            for column, heading in enumerate(("reconstruction", "nearest member", "nearest control")):
                write(axes, heading, x + column * TRIPLE_STEP, y - 0.12)
        images = reconstructions[row], nearest_members[row], nearest_controls[row]
        _draw_group(axes, images, table.iloc[row], x, y)
    _explain_frames(axes)
    return figure


def _draw_group(axes: Axes, images: Sequence[Pixels], row: pd.Series, x: float, y: float) -> None:
    member_frame = KNOWN_MEMBER if row["known"] else UNKNOWN_MEMBER
    frames = None, member_frame if row["matches_member"] else None, CONTROL if row["matches_control"] else None
    captions = (
        (f"score {row['score']:.2f}", ""),
        (f"cosine {row['member_similarity']:.2f}", row["member_identity"]),
        (f"cosine {row['control_similarity']:.2f}", row["control_identity"]),
    )
    for column, (pixels, frame, (number, identity)) in enumerate(zip(images, frames, captions, strict=True)):
        left = x + column * TRIPLE_STEP
        draw_face(axes, pixels, left, y, frame)
        write(axes, number, left, y + 1.12)
        write(axes, shortened(str(identity), 14), left, y + 1.28, color=GREY, fontsize=SMALL - 1.5)


def _explain_frames(axes: Axes) -> None:
    frames: dict[str, dict[str, Any]] = {
        "matches a member of whom the attacker had no image": UNKNOWN_MEMBER,
        "matches a member whom the attacker knew": KNOWN_MEMBER,
        "matches a control, who was not in the training set: chance": CONTROL,
        "no frame: no match": {"edgecolor": "none"},
    }
    handles = [Patch(facecolor="none", linewidth=2.5, label=text, **look) for text, look in frames.items()]
    axes.legend(handles=handles, loc="lower left", ncols=2, fontsize=SMALL, frameon=False)


def reconstruction_stages(stages: Mapping[str, Pixels]) -> Figure:
    """Show how reconstructions come about: a row a stage, in the order given, of at most 12 images each.

    stages: name → RGB (n, height, width, 3). Column i holds image i of each stage: hand in the same latents in the
    same order, where a stage starts from the one before it.

    Raises ReportingError where there is no stage.
    """
    if not stages:
        raise ReportingError("There are no stages of a reconstruction to show. Hand in one array of images a stage.")
    columns = min(STAGE_COLUMNS, max(map(len, stages.values())))
    width = max(LABEL_WIDTH + columns * STEP + MARGIN, 5)
    figure, axes = face_canvas(width, 0.6 + len(stages) * STEP + MARGIN, "How reconstructions come about")
    for row, (name, images) in enumerate(stages.items()):
        y = 0.6 + row * STEP
        write(axes, shortened(words(name), 20), MARGIN, y + 0.5, fontsize=LABEL)
        for column, pixels in enumerate(images[:columns]):
            draw_face(axes, pixels, LABEL_WIDTH + column * STEP, y)
    return figure
