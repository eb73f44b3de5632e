"""A canvas for faces and captions, whose unit in both directions is the side of a face: no face is distorted."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from faceleak.reporting.style import BLACK, DPI, SMALL, TITLE

Pixels = NDArray[np.uint8]

FACE_INCHES = 0.9
STEP = 1.06  # from one face to its neighbour
MARGIN = 0.15


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
