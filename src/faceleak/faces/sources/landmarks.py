"""Five landmarks an image, from the files that detectors and data sets write: CSV, CelebA's list, JSON, JSON lines.

A CSV file names the image in a column `image_id` (or `image`, `file`, `filename`, `path`), and the points in columns
x1, y1, …, x5, y5, or by what they are (`left_eye_x`, `lefteye_x`, `mouth_left_y`, …), as CelebA's
`list_landmarks_align_celeba` has them, whose columns may be separated by spaces below a line with their number.

A JSON file holds an object of faces by image, or a list of records with a key `image_id` (or one of the others); of
JSON lines, each is such a record. The points of a face are under `kps` (insightface), `keypoints` (mtcnn), `landmarks`
(retina-face, facenet-pytorch) or `points`: five pairs, ten numbers, or pairs by name. Several faces of one image are
several rows.

Detectors call the eye that is left in the picture left or right: which of the two is told by where the mouths are,
since most faces are not mirrored.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError
from faceleak.common.text_tables import Cells, TextTableError, number_in, read_lines, read_table, slashed

POINTS = 5
COLUMNS = [f"{axis}{point}" for point in range(1, POINTS + 1) for axis in "xy"]
PARTS = ["left eye", "right eye", "nose", "left mouth", "right mouth"]  # in the order of `COLUMNS`
MIRRORED = [1, 0, 2, 4, 3]
IMAGE_KEYS = ("image_id", "image", "file", "filename", "file_name", "path")
POINT_KEYS = ("kps", "keypoints", "landmarks", "landmark", "points")
FACES_KEY = "faces"
JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
SPACED_HEADER = re.compile(r"\s*\d+\s*$")  # CelebA's first line: how many images there are
WRITTEN_BY = (
    "Read are CSV files (image_id, x1, y1, …, x5, y5, or columns such as lefteye_x, nose_y), CelebA's "
    "list_landmarks_align_celeba, and JSON of faces by image as insightface (kps), mtcnn (keypoints), retina-face and "
    "facenet-pytorch (landmarks) give them: docs/faces.md."
)


class LandmarksError(FaceleakError):
    """A file gives no landmarks, or damaged ones."""


def read_landmarks(path: Path) -> pd.DataFrame:
    """Landmarks in pixels, a row a face: image_id and `COLUMNS`, eyes, nose tip and corners of the mouth, left to right
    as seen on an upright face. Equal rows are one. Raises LandmarksError.
    """
    try:
        rows = list(_rows(path))
    except (TextTableError, ValueError) as error:
        raise LandmarksError(f"{path} does not give landmarks. {str(error).rstrip('.')}. {WRITTEN_BY}") from error
    points = _unmirrored(np.array([numbers for _, numbers in rows], float).reshape(-1, POINTS, 2))
    table = pd.DataFrame(points.reshape(-1, len(COLUMNS)), columns=COLUMNS)
    table.insert(0, "image_id", [slashed(name) for name, _ in rows])
    return table.drop_duplicates(ignore_index=True)


def _rows(path: Path) -> Iterator[tuple[str, Sequence[float]]]:
    if path.suffix.lower() in JSON_SUFFIXES:
        yield from _of_json(path)
        return
    lines = read_lines(path)
    if lines and SPACED_HEADER.match(lines[0]):
        yield from _of_spaced(lines[1:], path)
    else:
        yield from _of_table(path)


def _of_table(path: Path) -> Iterator[tuple[str, Sequence[float]]]:
    columns: tuple[str, list[str]] | None = None
    for row, cells in _table(path):
        columns = columns or _columns_of(list(cells))
        image, places = columns
        yield cells[image], [number_in(cells[place], path, row, place) for place in places]


def _table(path: Path) -> Iterator[tuple[int, Cells]]:
    """Rows of the table; the column that names the image is the first of `IMAGE_KEYS` that is there."""
    for key in IMAGE_KEYS:
        try:
            first = next(read_table(path, key), None)
        except TextTableError as error:
            if "has no column" in str(error) and key != IMAGE_KEYS[-1]:
                continue
            if "has no column" in str(error):
                raise TextTableError(f"It has no column image_id: {error}") from error
            raise
        if first is None:
            raise TextTableError("It has no row")
        yield from read_table(path, key)
        return


def _of_spaced(lines: Sequence[str], path: Path) -> Iterator[tuple[str, Sequence[float]]]:
    """CelebA's list: the names of the columns, without that of the image, then a line an image."""
    _, places = _columns_of(["image_id", *lines[0].split()])
    order = [lines[0].split().index(place) for place in places]
    for row, line in enumerate(lines[1:], 3):
        if not line:
            continue
        name, *cells = line.split()
        if len(cells) != len(order):
            raise ValueError(f"Row {row} has {len(cells)} numbers, not {len(order)}")
        yield name, [number_in(cells[place], path, row, str(place)) for place in order]


def _columns_of(columns: Sequence[str]) -> tuple[str, list[str]]:
    """The column that names the image, and those of the ten numbers in the order of `COLUMNS`."""
    image = next(key for key in IMAGE_KEYS if key in columns)
    if set(COLUMNS) <= set(columns):
        return image, COLUMNS
    named = {place: column for column in columns if (place := _place(column)) is not None}
    wanted = [(part, axis) for part in PARTS for axis in "xy"]
    if missing := [f"{axis} of {part}" for part, axis in wanted if (part, axis) not in named]:
        raise ValueError(
            f"Its columns {', '.join(columns)} are not x1, y1, …, x5, y5, and {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} not among them either"
        )
    return image, [named[place] for place in wanted]


def _place(column: str) -> tuple[str, str] | None:
    """The part of the face and the axis that a column's name says: (`left eye`, `x`) for left_eye_x or x_lefteye."""
    name = column.lower()
    axis = re.search(r"(?:^|[_ .-])([xy])$|^([xy])[_ .-]|([xy])$", name)
    part = _part(re.sub(r"[xy]$|^[xy](?=[_ .-])", "", name))
    return None if axis is None or part is None else (part, next(filter(None, axis.groups())))


def _part(name: str) -> str | None:
    """One of `PARTS`, by what a detector calls it."""
    name = name.lower()
    side = next((side for side in ("left", "right") if side in name), "")
    if "nose" in name:
        return "nose"
    kind = next((kind for kind in ("eye", "mouth") if kind in name), "")
    return f"{side} {kind}" if side and kind else None


def _of_json(path: Path) -> Iterator[tuple[str, Sequence[float]]]:
    text = "\n".join(read_lines(path))
    try:
        content = json.loads(text)
    except ValueError:
        content = [json.loads(line) for line in text.splitlines() if line]
    records = content.items() if isinstance(content, dict) else _named(content)
    found = False
    for name, faces in records:
        for numbers in _faces(faces, name):
            found = True
            yield name, numbers
    if not found:
        raise ValueError("It holds no face")


def _named(records: Any) -> Iterator[tuple[str, Any]]:
    """Image and face of each record of a list."""
    if not isinstance(records, list):
        raise ValueError("It is neither an object of faces by image nor a list of records")
    for record in records:
        key = next((key for key in IMAGE_KEYS if isinstance(record, dict) and key in record), None)
        if key is None:
            raise ValueError(f"A record has none of the keys {', '.join(IMAGE_KEYS)}: {json.dumps(record)[:80]}")
        yield str(record[key]), record


def _faces(content: Any, name: str) -> Iterator[Sequence[float]]:
    """The ten numbers of each face that is under an image."""
    if content is None or content == []:
        return
    if (numbers := _ten_numbers(content)) is not None:
        yield numbers
        return
    parts: Iterable[Any] = ()
    if isinstance(content, list):
        parts = content
    elif isinstance(content, dict):
        key = next((key for key in POINT_KEYS if key in content), None)
        parts = [content[key]] if key else content.get(FACES_KEY) or _records_in(content)
    if not parts:
        raise ValueError(
            f"Of {name!r} it holds no five points under {', '.join(POINT_KEYS)}: {json.dumps(content)[:80]}"
        )
    for part in parts:
        yield from _faces(part, name)


def _records_in(content: dict[str, Any]) -> list[Any]:
    """Faces by a name of their own (`face_1`, …)."""
    return [value for key, value in content.items() if isinstance(value, dict) and _part(key) is None]


def _ten_numbers(content: Any) -> Sequence[float] | None:
    """Five points as ten numbers, whether they are pairs, a row of numbers or pairs by name; None for anything else."""
    if isinstance(content, dict):
        named = {part: value for key, value in content.items() if (part := _part(key)) is not None}
        content = [named[part] for part in PARTS] if set(named) == set(PARTS) else None
    try:
        numbers: NDArray[np.float64] = np.array(content, float)
    except (TypeError, ValueError):
        return None
    return numbers.ravel().tolist() if numbers.shape in ((POINTS, 2), (2 * POINTS,)) else None


def _unmirrored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 5, 2) with the eye and the corner of the mouth first that are left on an upright face.

    On a face that is not mirrored the mouth lies clockwise of the way from the left eye to the right one, however the
    head is turned. A file has one way to call them: that of most of its faces.
    """
    with np.errstate(invalid="ignore"):
        eyes = points[:, 1] - points[:, 0]
        down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)
        mirrored = eyes[:, 0] * down[:, 1] - eyes[:, 1] * down[:, 0] < 0
    return points[:, MIRRORED] if 2 * mirrored.sum() > len(points) else points
