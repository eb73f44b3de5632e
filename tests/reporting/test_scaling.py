import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.roc import MetricError
from faceleak.metrics.scaling import fit_power_law
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.scaling import scaling_figure
from faceleak.reporting.style import BLACK, BLUE, VERMILION

SIZES = [(people, images) for people in (25, 100, 400) for images in (2, 20)]
NOISE = np.exp([0.05, -0.02, 0.03, 0.01, -0.06, 0.02])


def measurements(exponent=-0.5):
    table = pd.DataFrame(SIZES, columns=["people", "images_per_person"])
    advantage = 2.0 * table["people"] ** exponent * table["images_per_person"] ** -0.2 * NOISE
    return table.assign(advantage=advantage / max(1, advantage.max() / 0.9))


def lines(axes, style, color):
    return [line for line in axes.lines if line.get_linestyle() == style and line.get_color() == color]


def draw(table, people, images):
    law = fit_power_law(table)
    figure = scaling_figure(table, law, people, images)
    return figure, figure.axes[0], law


def test_measured_points_are_joined_for_each_number_of_images():
    table = measurements()
    _, axes, _ = draw(table, 10_000, 20)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    for color, images in ((BLUE, 2), (VERMILION, 20)):
        rows = table[table["images_per_person"] == images]
        (joined,) = lines(axes, "-", color)
        np.testing.assert_allclose(joined.get_xydata(), rows[["people", "advantage"]])
        (points,) = [line for line in axes.lines if line.get_label().startswith(f"{images} images")]
        np.testing.assert_allclose(points.get_xydata(), rows[["people", "advantage"]])


def test_repeated_sizes_are_joined_at_their_geometric_mean():
    table = pd.concat([measurements(), measurements().assign(advantage=lambda rows: rows["advantage"] / 4)])
    _, axes, _ = draw(table, 10_000, 20)
    (joined,) = lines(axes, "-", BLUE)
    rows = measurements().query("images_per_person == 2")
    np.testing.assert_allclose(joined.get_ydata(), rows["advantage"] / 2)


def test_the_law_is_dashed_where_it_was_measured_and_up_to_the_users_size():
    _, axes, law = draw(measurements(), 10_000, 50)
    for color, images, ends in ((BLUE, 2, (25, 400)), (VERMILION, 20, (25, 400)), (BLACK, 50, (25, 10_000))):
        (dashed,) = lines(axes, "--", color)
        np.testing.assert_allclose(dashed.get_xdata()[[0, -1]], ends)
        np.testing.assert_allclose(dashed.get_ydata()[-1], law.predict(ends[1], images).value)
    _, axes, _ = draw(measurements(), 5, 50)
    np.testing.assert_allclose(lines(axes, "--", BLACK)[0].get_xdata()[[0, -1]], (400, 5))


def test_the_extrapolation_is_a_hollow_mark_with_its_interval():
    figure, axes, law = draw(measurements(), 10_000, 50)
    prediction = law.predict(10_000, 50)
    (mark,) = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(mark.get_xydata(), [(10_000, prediction.value)])
    bars = [bar.get_segments()[0] for bar in axes.collections]
    np.testing.assert_allclose(bars, [[(10_000, prediction.low), (10_000, prediction.high)]])
    assert [text.get_text() for text in axes.texts] == ["extrapolated"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    interval = f"{prediction.value:.3f} [{prediction.low:.3f}, {prediction.high:.3f}]"
    assert legend[-1] == f"extrapolated: 10,000 people,\n50 images a person:\n{interval}"
    assert f"people {law.people.value:+.2f} [" in axes.get_title(loc="left")


def test_a_size_inside_the_measured_ones_is_not_called_extrapolated():
    figure, axes, _ = draw(measurements(), 50, 5)
    assert [text.get_text() for text in axes.texts] == ["predicted"]
    assert lines(axes, "--", BLACK) == []
    assert not any("range" in text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize("exponent", [-0.5, 0.3])
def test_the_name_of_the_mark_stays_off_the_line(exponent):
    figure, axes, law = draw(measurements(exponent), 3_000, 20)
    figure.draw_without_rendering()
    box = axes.texts[0].get_window_extent()
    line = np.geomspace(100, 3_000, 500)
    pixels = axes.transData.transform([(people, law.predict(people, 20).value) for people in line])
    assert not any(box.contains(*pixel) for pixel in pixels)


def test_intervals_are_drawn_and_cut_off_at_the_lower_edge():
    table = measurements()
    table = table.assign(ci_low=table["advantage"] - 0.05, ci_high=table["advantage"] + 0.05)
    table.loc[0, "ci_low"] = -0.1
    _, axes, _ = draw(table, 1000, 20)
    bottom = axes.get_ylim()[0]
    bars = [tuple(segment[:, 1]) for bar in axes.collections[:2] for segment in bar.get_segments()]
    expected = [tuple(row) for row in table.sort_values("images_per_person")[["ci_low", "ci_high"]].to_numpy()]
    np.testing.assert_allclose(bars, [(max(low, bottom), high) for low, high in expected])
    assert bottom == pytest.approx(1e-4 / 1.3)


def test_a_prediction_near_zero_stays_on_the_axes():
    _, axes, law = draw(measurements(-1.5), 1_000_000, 20)
    bottom, top = axes.get_ylim()
    assert law.predict(1_000_000, 20).value < 1e-4
    assert bottom < law.predict(1_000_000, 20).value < top


def test_what_cannot_be_drawn_is_refused():
    table = measurements()
    law = fit_power_law(table)
    with pytest.raises(ReportingError, match="lack advantage"):
        scaling_figure(table.drop(columns="advantage"), law, 100, 10)
    with pytest.raises(ReportingError, match="no rows"):
        scaling_figure(table[:0], law, 100, 10)
    with pytest.raises(MetricError, match="no training set"):
        scaling_figure(table, law, 0, 10)
