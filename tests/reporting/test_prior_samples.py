import numpy as np
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.prior_samples import FaceBesideNearest, nearest_faces_sheet, samples_sheet


def plain(count: int, first: int = 0) -> np.ndarray:
    """Faces of one grey each, which says which face it is."""
    return np.broadcast_to(np.arange(first, first + count)[:, None, None, None], (count, 8, 8, 3)).astype(np.uint8)


def greys(figure) -> list[int]:
    """The pictures, row by row and from left to right."""
    images = sorted(figure.axes[0].images, key=lambda image: (round(image.get_extent()[3], 2), image.get_extent()[0]))
    return [int(image.get_array()[0, 0, 0]) for image in images]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_a_sheet_shows_the_first_samples_in_their_order():
    figure = samples_sheet(plain(75), 40_000)
    assert greys(figure) == list(range(60))
    assert texts(figure) == ["Samples of the prior after 40,000 images shown"]
    assert greys(samples_sheet(plain(3), 1)) == [0, 1, 2]


def test_samples_stand_beside_their_nearest_and_the_nearest_of_all_come_first():
    samples = FaceBesideNearest(plain(30), plain(30, 100), np.linspace(0.9, 0.31, 30))
    held_out = FaceBesideNearest(plain(4, 50), plain(4, 150), np.full(4, 0.12))
    figure = nearest_faces_sheet(samples, held_out, "evaluator")
    shown = greys(figure)
    pairs = list(zip(shown[::2], shown[1::2], strict=True))
    assert all(right == left + 100 for left, right in pairs)
    assert [left for left, _ in pairs] == [*range(24), 29, 28, 27, 26, 25, 24, 50, 51, 52, 53]
    written = texts(figure)
    assert "Distances (1 − cosine) by evaluator" in written[0]
    assert written.count("0.12") == 4
    assert "0.31" in written


def test_no_faces_are_an_error():
    none = FaceBesideNearest(plain(0), plain(0), np.empty(0))
    with pytest.raises(ReportingError, match="no faces to show"):
        nearest_faces_sheet(none, none, "evaluator")
    with pytest.raises(ReportingError, match="no faces to show"):
        samples_sheet(plain(0), 1)
