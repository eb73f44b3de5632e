import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from faceleak.reporting.labels import label_points


def crowded_axes():
    axes = Figure(figsize=(6, 4), dpi=100).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return axes


def boxes_of(axes, texts):
    axes.get_figure().draw_without_rendering()
    return [Text.get_window_extent(text) for text in texts]


def test_names_of_one_crowded_place_do_not_cover_each_other():
    axes = crowded_axes()
    points = np.full((12, 2), 0.5) + np.linspace(0, 1e-3, 12)[:, None]
    boxes = boxes_of(axes, label_points(axes, [f"variant number {i}" for i in range(12)], points, points))
    assert sum(box.count_overlaps(boxes) for box in boxes) == 12  # each with itself


def test_a_name_evades_what_is_drawn():
    axes = crowded_axes()
    beside = np.column_stack([np.linspace(0.5, 1, 200), np.full(200, 0.5)])  # where a name goes first: to the right
    (free,) = boxes_of(axes, label_points(axes, ["name"], np.array([[0.5, 0.5]]), np.empty((0, 2))))
    assert free.y0 < axes.transData.transform((0, 0.5))[1] < free.y1
    (evading,) = boxes_of(axes, label_points(axes, ["name"], np.array([[0.5, 0.5]]), beside))
    assert not any(evading.contains(*point) for point in axes.transData.transform(beside))


def test_a_name_stays_inside_the_axes():
    axes = crowded_axes()
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    boxes = boxes_of(axes, label_points(axes, ["a long name in a corner"] * 4, corners, corners))
    for box in boxes:
        assert axes.bbox.contains(*box.min)
        assert axes.bbox.contains(*box.max)


def test_dollars_in_a_name_are_no_mathematics():
    axes = crowded_axes()
    (text,) = label_points(axes, ["$cheap$ model"], np.array([[0.5, 0.5]]), np.empty((0, 2)))
    assert not text.get_parse_math()
