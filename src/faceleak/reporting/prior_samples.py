"""What a prior draws: a sheet of samples, and each sample beside the training face that it resembles most."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.face_canvas import MARGIN, STEP, Pixels, draw_face, face_canvas, write
from faceleak.reporting.style import GREY

SHEET = 60  # samples
SHEET_COLUMNS = 10
PAIRS_ACROSS = 6
PAIR_WIDTH, PAIR_HEIGHT = 2 * STEP + 0.3, 1.3
SHOWN = {"samples": 24, "copies": 6, "held_out": 6}


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
    """Show samples, left, beside the nearest training face, right; below, the nearest of all and held-out people.

    The first samples are no selection; `copies` are those nearest to a training face. Held-out faces show how near a
    face of somebody else comes. features: whose embeddings measure distance. Raises ReportingError where one is empty.
    """
    _check_some(min(len(samples.faces), len(held_out.faces)))
    nearest_first = np.argsort(samples.distances, kind="stable")
    sections = {
        "samples as they come, each beside the nearest training face": samples.take(_first(samples, "samples")),
        "the samples that come nearest to a training face": samples.take(nearest_first[: SHOWN["copies"]]),
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
    return np.arange(min(SHOWN[part], len(pairs.faces)))


def _draw_pairs(axes: Axes, pairs: FaceBesideNearest, y: float) -> float:
    """Draw pairs in rows from y downwards; return where the next section begins."""
    for place, distance in enumerate(pairs.distances):
        row, column = divmod(place, PAIRS_ACROSS)
        x, top = MARGIN + column * PAIR_WIDTH, y + row * PAIR_HEIGHT
        draw_face(axes, pairs.faces[place], x, top)
        draw_face(axes, pairs.nearest[place], x + 1.02, top)
        write(axes, f"{distance:.2f}", x, top + 1.13, color=GREY)
    return y + -(-len(pairs.distances) // PAIRS_ACROSS) * PAIR_HEIGHT


def _check_some(count: int) -> None:
    if not count:
        raise ReportingError("There are no faces to show. Raise prior.samples or prior.held_out_share.")
