import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from scipy import stats

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.risk import risk_figure, risk_histogram


def risks(rows, significant, unit="image"):
    place = np.arange(rows)
    p_value = np.where(place < significant, 1.2e-7, 0.034)
    table = pd.DataFrame({"identity": [f"person_{i}" for i in place], "targets": 3, "risk": 2.0, "p_value": p_value})
    table = table.assign(q_value=np.where(place < significant, 0.05, 0.5), rank=place + 1)
    return table.assign(image_id=table["identity"]) if unit == "image" else table


def pixels(count):
    """Image i is of gray i."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 6, 6, 3))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_each_image_has_its_rank_and_rates_below_it():
    figure = risk_figure(risks(1200, 2), pixels(3))
    shown = [int(picture.get_array()[0, 0, 0]) for picture in figure.axes[0].images]
    assert shown == [0, 1, 2]
    written = texts(figure)
    assert written[0] == "The worst case: 2 of 1,200 images stand out significantly (q ≤ 0.05)"
    assert written[3:7] == ["#1", "p 1.2·10⁻⁷", "q 0.05", "person_0"]
    assert written[11:] == ["#3", "p 0.034", "q 0.5", "person_2"]


def test_significant_ones_are_framed():
    figure = risk_figure(risks(12, 9), pixels(12))
    frames = [(patch.get_x(), patch.get_y()) for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    corners = [(picture.get_extent()[0], picture.get_extent()[3]) for picture in figure.axes[0].images]
    np.testing.assert_allclose(frames, corners[:9])
    assert len({round(y, 6) for _, y in corners}) == 2


def test_people_are_called_people_and_texts_lie_on_the_page():
    table = risks(10_000, 10_000, "identity").assign(identity="a name that goes on and on")
    table["p_value"] = [0.0, 1e-300, *np.full(9998, 5e-80)]
    figure = risk_figure(table, pixels(45))
    figure.draw_without_rendering()
    written = texts(figure)
    assert "10,000 of 10,000 people" in written[0]
    assert "ever saw the person" in written[2]
    assert written.count("p < 1.0·10⁻⁹⁹") == 2
    assert len(figure.axes[0].images) == 40
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)


def test_galleries_that_do_not_fit_their_table_are_refused():
    for count in (0, 4):
        with pytest.raises(ReportingError, match=f"{count} images, but 3 rows"):
            risk_figure(risks(3, 1), pixels(count))
    with pytest.raises(ReportingError, match="lack q_value"):
        risk_figure(risks(3, 1).drop(columns="q_value"), pixels(3))
    with pytest.raises(ReportingError, match="no rows"):
        risk_figure(risks(0, 0), pixels(1))


def curve(figure, name):
    (line,) = [line for line in figure.axes[0].lines if line.get_label().startswith(name)]
    return line.get_xdata(), line.get_ydata()


def test_curves_are_shares_up_to_p_and_the_diagonal_is_calibrated():
    members, non_members = np.array([1e-300, 0.02, 0.5, 1.0]), np.array([0.1, 0.2, 0.7, 0.9, 1.0])
    figure = risk_histogram(members, non_members)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlim() == pytest.approx((0.1, 1))  # half of one in five
    assert axes.get_ylim() == pytest.approx((0.1, 1))
    x, y = curve(figure, "members")
    expected = [(members <= rate).mean() for rate in x]
    np.testing.assert_allclose(y, expected)
    assert (y[0], y[-1]) == (0.5, 1.0)
    x, y = curve(figure, "non-members")
    np.testing.assert_allclose(y, np.maximum([(non_members <= rate).mean() for rate in x], 0.1))
    x, y = curve(figure, "calibrated")
    np.testing.assert_array_equal(x, y)
    assert "members: 25.0 % of 4 have p ≤ 1 %" in [line.get_label() for line in axes.lines]


def test_the_band_is_that_of_clopper_and_pearson():
    p_values = np.random.default_rng(0).uniform(size=200)
    figure = risk_histogram(p_values, p_values)
    corners = figure.axes[0].collections[0].get_paths()[0].vertices
    for about in (0.004, 0.1, 0.8, 1.0):
        x = curve(figure, "members")[0]
        rate = x[np.searchsorted(x, about, side="right") - 1]
        drawn = corners[np.isclose(corners[:, 0], rate), 1]
        bounds = stats.binomtest(int((p_values <= rate).sum()), 200).proportion_ci(0.95, method="exact")
        assert np.isclose(drawn, max(bounds.low, 1 / 400)).any()
        assert np.isclose(drawn, bounds.high).any()


@pytest.mark.parametrize("broken", [np.array([]), np.array([0.5, 1.5]), np.array([0.5, np.nan])])
def test_p_values_that_are_none_are_refused(broken):
    with pytest.raises(ReportingError, match="p-values of members are none"):
        risk_histogram(broken, np.array([0.5]))
    with pytest.raises(ReportingError, match="p-values of non-members"):
        risk_histogram(np.array([0.5]), broken)
