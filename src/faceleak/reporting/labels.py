"""Names next to points, placed where they cover neither each other nor the drawing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from faceleak.reporting.style import GRAY, SMALL

Points = NDArray[np.float64]  # (n, 2)

DISTANCES = (10.0, 16.0, 24.0, 34.0, 46.0, 60.0, 76.0, 94.0, 114.0, 140.0)  # from point to name, in 1/72 inch
DIRECTIONS = np.radians(np.arange(0, 360, 22.5))
CLEARANCE = 2.0  # around a name, in 1/72 inch
COST_OUTSIDE, COST_NAME = 1e6, 1e4  # of leaving the axes, of covering a name; in 1/72 inch of distance, as all costs
COST_CROSSING, COST_OBSTACLE = 1e3, 3.0  # of a line across a name, of covering an obstacle


def label_points(axes: Axes, names: Sequence[str], points: Points, obstacles: Points) -> list[Annotation]:
    """Write each of the n names next to its point (n, 2), with a line between them, and return the texts.

    Positions are in data coordinates; `obstacles` (m, 2) are those not to cover: points, and samples along lines.
    Limits, scales and layout of the axes must be final. One name after the other takes the place that covers least,
    the nearest of equal ones.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles the layout, on which all pixels depend
    pixels = figure.dpi / 72
    covered = axes.transData.transform(obstacles)
    boxes: list[Bbox] = []
    texts = []
    for name, point in zip(names, points, strict=True):
        text = _write(axes, name, point)
        extent = Text.get_window_extent(text)
        size, origin = np.array([extent.width, extent.height]), axes.transData.transform(point)
        padded = size + CLEARANCE * pixels
        places = [(_offset(size, distance * pixels, angle), distance) for distance in DISTANCES for angle in DIRECTIONS]
        costs = [
            distance + _cost(_box(origin + offset, padded), _line(origin, offset), axes.bbox, covered, boxes)
            for offset, distance in places
        ]
        offset, _ = places[int(np.argmin(costs))]
        text.set_position(tuple(offset / pixels))
        boxes.append(_box(origin + offset, size))
        covered = np.vstack([covered, _line(origin, offset)])
        texts.append(text)
    return texts


def _write(axes: Axes, name: str, point: Points) -> Annotation:
    line = {"arrowstyle": "-", "color": GRAY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    text = axes.annotate(
        name,
        tuple(point),
        (0, 0),
        textcoords="offset points",
        horizontalalignment="center",
        verticalalignment="center",
        fontsize=SMALL,
        parse_math=False,
        arrowprops=line,
    )
    text.set_in_layout(False)
    return text


def _offset(size: Points, distance: float, angle: float) -> Points:
    """From a point to the middle of a name of this size, so `distance` lies between the point and the name."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    offset: Points = direction * distance + size / 2 * np.clip(direction * np.sqrt(2), -1, 1)
    return offset


def _box(middle: Points, size: Points) -> Bbox:
    return Bbox([middle - size / 2, middle + size / 2])


def _line(origin: Points, offset: Points) -> Points:
    """Samples (m, 2) of the line from a point to its name."""
    samples: Points = origin + np.linspace(0, 1, 15)[:, None] * offset
    return samples


def _within(points: Points, box: Bbox) -> int:
    return int(((points >= box.min) & (points <= box.max)).all(axis=1).sum())


def _cost(box: Bbox, line: Points, inside: Bbox, covered: Points, boxes: Sequence[Bbox]) -> float:
    outside = not (inside.contains(*box.min) and inside.contains(*box.max))
    crossed = sum(_within(line, other) > 0 for other in boxes)
    hidden = COST_NAME * box.count_overlaps(boxes) + COST_OBSTACLE * _within(covered, box)
    return COST_OUTSIDE * outside + COST_CROSSING * crossed + hidden
