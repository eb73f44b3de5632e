"""Galleries of faces: of each role, of reconstructions and their steps, of a prior's samples.

The unit of a canvas is, in both directions, the side of a face, so no face is distorted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.style import (
    BLACK,
    BLUE,
    DPI,
    GRAY,
    LABEL,
    ORANGE,
    ROLE_COLORS,
    ROLE_MEANINGS,
    SMALL,
    TITLE,
    VERMILION,
    shortened,
    words,
)

Pixels = NDArray[np.uint8]

FACE_INCHES = 0.9
STEP = 1.06  # from one face to its neighbor
MARGIN = 0.15
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
STRIP_COLUMNS = ("member_identity", "matches_member", "known")
STRIP_HEIGHT = 1.28
STRIPS_TOP = 1.3
STRIP_GAP = 0.35
STRIPS_EXPLAINED = (
    "below each face: its score by the attack of stage 1; higher says member",
    "framed: who is matched in the end; dashed, where the attacker had images of this member",
)
SHEET = 60  # samples
SHEET_COLUMNS = 10
PAIRS_ACROSS = 6
PAIR_WIDTH, PAIR_HEIGHT = 2 * STEP + 0.3, 1.3
PAIRS_SHOWN = {"samples": 24, "copies": 6, "held_out": 6}
COLORS = {"members": VERMILION, "non_members": BLUE}
ROW, HEADINGS, FOOT = 1.24, 0.95, 0.62  # of the picture of single people


def face_canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """An empty canvas, width and height in faces; y grows downwards, and the title takes the uppermost half face."""
    figure = Figure(figsize=(width * FACE_INCHES, height * FACE_INCHES), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    write(axes, title, MARGIN, 0.3, fontsize=TITLE, fontweight="bold")
    return figure, axes


def draw_face(axes: Axes, pixels: Pixels, x: float, y: float, frame: dict[str, Any] | None = None) -> None:
    """Draw RGB pixels (height, width, 3) in the middle of the unit square whose upper left corner is (x, y).

    `frame` is how a frame around the face looks; there is none without it.
    """
    longest = max(pixels.shape[:2])
    height, width = (side / longest for side in pixels.shape[:2])
    left, top = x + (1 - width) / 2, y + (1 - height) / 2
    axes.imshow(pixels, extent=(left, left + width, top + height, top))
    if frame is not None:
        axes.add_patch(Rectangle((left, top), width, height, fill=False, linewidth=3, **frame))


def write(axes: Axes, text: str, x: float, y: float, **look: Any) -> None:
    """Write at (x, y), the middle of the line's left end unless `look` says otherwise."""
    defaults: dict[str, Any] = {"fontsize": SMALL, "color": BLACK, "verticalalignment": "center", "parse_math": False}
    axes.text(x, y, text, **(defaults | look))


def nearest_images(
    store: FaceStore,
    people: pd.DataFrame,
    role: str,
    identities: pd.Series,
    embeddings: NDArray[np.float32],
    size: int | Canvas,
) -> NDArray[np.uint8]:
    """Pixels (n, height, width, 3): for row i the image of `identities[i]` in this role with the highest cosine.

    `people` has image_id, identity, role and embedding; `embeddings` (n, d) are the reconstructions'.
    """
    by_person = dict(tuple(people[people["role"] == role].groupby("identity")))
    chosen = []
    for identity, embedding in zip(identities, embeddings, strict=True):
        images = by_person[identity]
        candidates = np.stack(images["embedding"].to_list())
        cosines = candidates @ embedding / np.linalg.norm(candidates, axis=1)
        chosen.append(images["image_id"].iloc[int(np.argmax(cosines))])
    return store.images(store.positions(chosen), size)


def people_sheet(
    store: FaceStore, splits: pd.DataFrame, people_per_role: int = 4, images_per_person: int = 6
) -> Figure:
    """Show some people of each role, a row a person: what the target was trained on and what it is compared with.

    splits: image_id, identity, role, known. People are taken evenly from the sorted identities of a role, and their
    first images. Beside a member's images, half of `images_per_person`, stand same_identity images of the same person.

    Raises ReportingError if a column is missing or no image has a role, StoreError if an image is not in the
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
            write(axes, part, places[0], y + 0.17, color=ROLE_COLORS[part], fontweight="bold")
            write(axes, ROLE_MEANINGS[part], places[0], y + 0.39, color=GRAY)
    for row, (_, of_person) in enumerate(images.sort_values("image_id").groupby("identity")):
        for part, places in parts.items():
            positions = store.positions(of_person.loc[of_person["role"] == part, "image_id"].head(len(places)))
            for x, position in zip(places, positions, strict=False):
                draw_face(axes, store.pixels(int(position)), x, y + HEADING + row * STEP)


def _write_person(axes: Axes, identity: str, known: bool, x: float, y: float) -> None:
    write(axes, shortened(identity, 20), x, y + 0.4)
    if known:
        write(axes, "known to the attacker", x, y + 0.6, color=GRAY)


def reconstruction_gallery(
    reconstructions: Pixels,
    nearest_members: Pixels,
    nearest_controls: Pixels,
    table: pd.DataFrame,
    subject: str = "reconstructions",
    note: str = "",
) -> Figure:
    """Show reconstructions, each with an image of the nearest member and one of the nearest control.

    Images: RGB (n, height, width, 3), each array of a size of its own. table, n rows: score (higher says member),
    member_similarity and control_similarity (cosines by the evaluator, −1…1), member_identity, control_identity,
    matches_member, matches_control, and known (the attacker had images of the nearest member). Groups are ordered by
    score; of more than 24, those shown are spread evenly over this order, so that they are no selection of the best.
    subject: what the title calls the faces. note: written below the title.

    Raises ReportingError if a column or all rows are missing or the lengths differ.
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
    chosen = f"{len(shown)} of {len(table)} are shown, spread evenly over the ranking by score"
    notes = "; ".join(filter(None, [chosen if len(shown) < len(table) else "", note]))
    top = 1.2 if notes else 0.85
    bottom = top + -(-len(shown) // across) * group_height
    title = (
        f"Whom do {subject} resemble? {int(table['matches_member'].sum())} of {len(table)} match a member, "
        f"{int(table['matches_control'].sum())} a control"
    )
    figure, axes = face_canvas(max(across * group_width, 9) + MARGIN, bottom + 0.6, title)
    if notes:
        write(axes, notes, MARGIN, 0.62)
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
        write(axes, shortened(str(identity), 14), left, y + 1.28, color=GRAY, fontsize=SMALL - 1.5)


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

    Raises ReportingError if there is no stage.
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


def film_strips(frames: Pixels, scores: NDArray[np.float32], members: Pixels, table: pd.DataFrame) -> Figure:
    """Show a row a face: at its start, after each round, and at the right the member that it resembles in the end.

    frames: RGB (n, moments, height, width, 3), the first moment before the search, each other one after a round;
    scores: (n, moments), of stage 1, higher says member; members: RGB (n, height, width, 3); table, n rows:
    member_identity, matches_member, and known (the attacker had images of this member).

    Raises ReportingError if there is no face or the lengths differ.
    """
    check_columns(table, STRIP_COLUMNS, "filmed faces")
    if len({len(frames), len(scores), len(members), len(table)}) > 1:
        raise ReportingError(
            f"{len(frames)} films, {len(scores)} rows of scores, {len(members)} members and {len(table)} rows of the "
            "table do not belong together. Hand in one of each a face."
        )
    moments = frames.shape[1]
    columns = [*(MARGIN + STEP * place for place in range(moments)), MARGIN + STEP * moments + STRIP_GAP]
    headings = ["start", *(f"after round {number}" for number in range(1, moments)), "nearest member"]
    height = STRIPS_TOP + STRIP_HEIGHT * len(frames) + 0.2
    figure, axes = face_canvas(max(columns[-1] + STEP + MARGIN, 7), height, "How reconstructions come about")
    for line, y in zip(STRIPS_EXPLAINED, (0.58, 0.78), strict=True):
        write(axes, line, MARGIN, y, color=GRAY)
    for heading, x in zip(headings, columns, strict=True):
        write(axes, heading, x, STRIPS_TOP - 0.13)
    for row, (film, of_film, member, (_, found)) in enumerate(
        zip(frames, scores, members, table.iterrows(), strict=True)
    ):
        y = STRIPS_TOP + row * STRIP_HEIGHT
        for x, face, score in zip(columns, film, of_film, strict=False):
            draw_face(axes, face, x, y)
            write(axes, f"{score:z.1f}", x, y + 1.12)
        frame = KNOWN_MEMBER if found["known"] else UNKNOWN_MEMBER
        draw_face(axes, member, columns[-1], y, frame if found["matches_member"] else None)
        write(axes, shortened(str(found["member_identity"]), 14), columns[-1], y + 1.12, color=GRAY)
    return figure


@dataclass(frozen=True, eq=False)
class FaceBesideNearest:
    """Faces, RGB (n, height, width, 3), the training face nearest to each, and their distances (n,), 1 − cosine."""

    faces: Pixels
    nearest: Pixels
    distances: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> "FaceBesideNearest":
        """Some of them."""
        return FaceBesideNearest(self.faces[rows], self.nearest[rows], self.distances[rows])


def samples_sheet(pixels: Pixels, images_shown: int) -> Figure:
    """Show the first 60 samples, RGB (n, height, width, 3), as they come: no selection. Raises ReportingError if empty.

    images_shown: how many images the training had shown by then.
    """
    _check_some(len(pixels))
    shown = pixels[:SHEET]
    rows = -(-len(shown) // SHEET_COLUMNS)
    title = f"Samples of the prior after {images_shown:,} images shown"
    figure, axes = face_canvas(SHEET_COLUMNS * STEP + 2 * MARGIN, 0.6 + rows * STEP + MARGIN, title)
    for place, face in enumerate(shown):
        row, column = divmod(place, SHEET_COLUMNS)
        draw_face(axes, face, MARGIN + column * STEP, 0.6 + row * STEP)
    return figure


def nearest_faces_sheet(samples: FaceBesideNearest, held_out: FaceBesideNearest, features: str) -> Figure:
    """Show samples, left, with the nearest training face, right; below, the nearest of all and held-out people.

    The first samples are no selection; `copies` are those nearest to a training face. Held-out faces show how near a
    face of somebody else comes. features: whose embeddings measure distance. Raises ReportingError if one is empty.
    """
    _check_some(min(len(samples.faces), len(held_out.faces)))
    nearest_first = np.argsort(samples.distances, kind="stable")
    sections = {
        "samples as they come, each beside the nearest training face": samples.take(_first(samples, "samples")),
        "the samples that come nearest to a training face": samples.take(nearest_first[: PAIRS_SHOWN["copies"]]),
        "for comparison: people held out from training": held_out.take(_first(held_out, "held_out")),
    }
    rows = sum(-(-len(section.faces) // PAIRS_ACROSS) for section in sections.values())
    height = 0.6 + rows * PAIR_HEIGHT + len(sections) * 0.4 + MARGIN
    title = f"Does the prior copy? Distances (1 − cosine) by {features}"
    figure, axes = face_canvas(PAIRS_ACROSS * PAIR_WIDTH + MARGIN, height, title)
    y = 0.6
    for heading, section in sections.items():
        write(axes, heading, MARGIN, y + 0.17, fontweight="bold")
        y = _draw_pairs(axes, section, y + 0.4)
    return figure


def _first(pairs: FaceBesideNearest, part: str) -> NDArray[np.intp]:
    return np.arange(min(PAIRS_SHOWN[part], len(pairs.faces)))


def _draw_pairs(axes: Axes, pairs: FaceBesideNearest, y: float) -> float:
    """Draw pairs in rows from y downwards; return where the next section begins."""
    for place, distance in enumerate(pairs.distances):
        row, column = divmod(place, PAIRS_ACROSS)
        x, top = MARGIN + column * PAIR_WIDTH, y + row * PAIR_HEIGHT
        draw_face(axes, pairs.faces[place], x, top)
        draw_face(axes, pairs.nearest[place], x + 1.02, top)
        write(axes, f"{distance:.2f}", x, top + 1.13, color=GRAY)
    return y + -(-len(pairs.distances) // PAIRS_ACROSS) * PAIR_HEIGHT


def _check_some(count: int) -> None:
    if not count:
        raise ReportingError("There are no faces to show. Raise prior.samples or prior.held_out_share.")


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

    Raises ReportingError if there is nobody to show or the lengths differ.
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
        write(axes, part.title, MARGIN, top + 0.2, color=GRAY)
        top += HEADINGS
        bottom = top + ROW * len(part.kinds)
        for row, kind in enumerate(part.kinds):
            write(axes, kind.replace("_", "-").removesuffix("s"), MARGIN, top + ROW * row + 0.5, color=COLORS[kind])
        for place, (heading, faces) in enumerate(part.columns.items()):
            x = MARGIN + 0.95 + STEP * place
            write(axes, heading, x, top - 0.24)
            for row, face in enumerate(np.asarray(faces)):
                draw_face(axes, face, x, top + ROW * row)
            for line, (kind, share) in enumerate(part.shares.get(heading, {}).items()):
                write(
                    axes,
                    f"{kind.replace('_', '-')} {100 * share:.0f} %",
                    x,
                    bottom + 0.02 + 0.2 * line,
                    color=COLORS[kind],
                )
        top = bottom + FOOT
    return figure
