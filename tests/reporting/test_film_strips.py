import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.film_strips import film_strips


def films(people: int, moments: int):
    """Moment k of film i is of grey 10·i + k and has the score i + k / 10; the member is of grey 200 + i."""
    place = 10 * np.arange(people)[:, None] + np.arange(moments)
    frames = np.broadcast_to(place[..., None, None, None], (people, moments, 8, 6, 3)).astype(np.uint8)
    scores = (np.arange(people)[:, None] + np.arange(moments) / 10).astype(np.float32)
    members = np.broadcast_to(200 + np.arange(people)[:, None, None, None], (people, 8, 6, 3)).astype(np.uint8)
    matches = np.arange(people) % 2 == 0
    table = pd.DataFrame({"member_identity": [f"m{i}" for i in range(people)], "matches_member": matches})
    return frames, scores, members, table.assign(known=False)


def test_a_row_leads_from_the_start_to_the_member():
    figure = film_strips(*films(3, 4))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    shown = sorted((round(p.get_extent()[3], 3), p.get_extent()[0], int(p.get_array()[0, 0, 0])) for p in axes.images)
    greys = [grey for _, _, grey in shown]
    assert greys == [0, 1, 2, 3, 200, 10, 11, 12, 13, 201, 20, 21, 22, 23, 202]
    for picture in axes.images:
        box = picture.get_window_extent()
        assert box.width / box.height == pytest.approx(6 / 8)
    written = [text.get_text() for text in axes.texts]
    assert [text for text in written if text.startswith(("start", "after", "nearest"))] == [
        *("start", "after round 1", "after round 2", "after round 3", "nearest member")
    ]
    assert {"0.0", "0.3", "2.3", "m0", "m2"} <= set(written)
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(frames) == 2
    for text in axes.texts:
        box = text.get_window_extent()
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)


def test_films_that_do_not_belong_together_are_refused():
    frames, scores, members, table = films(3, 2)
    with pytest.raises(ReportingError, match="3 films, 3 rows of scores, 2 members and 3 rows"):
        film_strips(frames, scores, members[:2], table)
    with pytest.raises(ReportingError, match="no rows"):
        film_strips(frames[:0], scores[:0], members[:0], table[:0])
