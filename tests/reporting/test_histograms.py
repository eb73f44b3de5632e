import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.roc import MetricError
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.histograms import distance_histograms
from faceleak.reporting.style import ROLE_COLORS

ROLES = ["member", "same_identity", "unseen_identity", "auxiliary"]


def tables(layers: int, images: int = 4, variant: str = "undefended"):
    """Member i of layer l lies at i + 1, same_identity 0.5 above, unseen_identity 100 times as far."""
    rows = [(f"{role}/{i}", role, i) for role in ROLES for i in range(images)]
    splits = pd.DataFrame(rows, columns=["image_id", "role", "place"])
    distance = splits["place"] + 1.0
    distance[splits["role"] == "same_identity"] += 0.5
    distance[splits["role"] == "unseen_identity"] *= 100
    columns = {f"bn_distance.layer{layer}": distance.astype(np.float32) for layer in range(layers)}
    signals = pd.DataFrame(
        {"variant": variant, "bypass": "", "image_id": splits["image_id"], "other.0": -1.0, **columns}
    )
    return signals, splits.drop(columns="place").assign(identity="x", sha256="", known=False)


def panels(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_each_layer_has_a_panel_with_its_own_auc_on_a_log_axis():
    figure = distance_histograms(*tables(3))
    # 1, 2, 3, 4 against 1.5, 2.5, 3.5, 4.5: a member is closer in 10 of 16 pairs; against 100 … 400 in all
    assert [axes.get_title() for axes in panels(figure)] == [
        f"layer{layer}\nAUC same 0.62, unseen 1.00" for layer in range(3)
    ]
    assert {axes.get_xscale() for axes in panels(figure)} == {"log"}
    assert "“undefended”" in figure.get_suptitle()
    assert "3 layers" in figure.get_suptitle()


def test_densities_integrate_to_one_over_factors_of_ten_and_medians_are_marked():
    axes = panels(distance_histograms(*tables(1)))[0]
    outlines = [patch for patch in axes.patches if not patch.get_fill()]
    assert len(outlines) == 3
    for outline in outlines:
        density, edges, _ = outline.get_data()
        assert (density * np.diff(np.log10(edges))).sum() == pytest.approx(1)
    medians = {line.get_color(): line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
    assert medians == {
        ROLE_COLORS["member"]: 2.5,
        ROLE_COLORS["same_identity"]: 3.0,
        ROLE_COLORS["unseen_identity"]: 250.0,
    }


def test_the_legend_tells_the_populations_apart():
    (legend,) = distance_histograms(*tables(2)).legends
    assert [text.get_text().split(":")[0] for text in legend.get_texts()] == [*ROLES[:3], "median"]


def test_of_many_layers_evenly_chosen_ones_are_shown():
    figure = distance_histograms(*tables(9), maximum_layers=5)
    shown = [axes.get_title().split("\n")[0] for axes in panels(figure)]
    assert shown == ["layer0", "layer2", "layer4", "layer6", "layer8"]
    assert "5 of 9 layers" in figure.get_suptitle()


def test_images_that_the_attacker_knows_are_left_out():
    signals, splits = tables(1)
    splits["known"] = splits["image_id"].isin(["member/0", "member/1", "member/2"])
    # 4 is closer than 4.5 alone, one of four
    assert panels(distance_histograms(signals, splits))[0].get_title().endswith("AUC same 0.25, unseen 1.00")


def test_zero_and_equal_distances_are_drawn():
    signals, splits = tables(2)
    signals.loc[0, "bn_distance.layer0"] = 0.0
    signals["bn_distance.layer1"] = 0.0
    figure = distance_histograms(signals, splits)
    figure.draw_without_rendering()
    first, constant = panels(figure)
    assert first.patches[0].get_data().edges[0] == pytest.approx(1.5)  # the smallest distance above 0
    assert constant.get_title().endswith("AUC same 0.50, unseen 0.50")


@pytest.mark.parametrize(("low", "high"), [(1e-3, 1e3), (0.1, 1.2), (0.31, 0.38), (0.300, 0.301), (1e-12, 1e12)])
def test_axes_have_three_to_six_labels(low, high):
    signals, splits = tables(1)
    signals["bn_distance.layer0"] = np.geomspace(low, high, len(signals))
    splits["role"] = np.resize(ROLES[:3], len(splits))
    axes = panels(distance_histograms(signals, splits))[0]
    ticks = axes.get_xticks()
    assert 3 <= len(ticks) <= 6
    assert low * 0.999 <= min(ticks) < max(ticks) <= high * 1.001
    assert len({text.get_text() for text in axes.get_xticklabels()}) == len(ticks)


def test_what_cannot_be_drawn_is_refused():
    signals, splits = tables(1)
    with pytest.raises(ReportingError, match="no column of `cosine`"):
        distance_histograms(signals, splits, signal="cosine")
    with pytest.raises(ReportingError, match="2 values of `view`"):
        distance_histograms(pd.concat([signals, signals.assign(variant="noise_0.4")]), splits)
    with pytest.raises(ReportingError, match="12 of 12 values of `other` are negative"):
        distance_histograms(signals, splits[splits["role"] != "auxiliary"], signal="other")
    with pytest.raises(ReportingError, match="1 of 16"):
        distance_histograms(signals.replace({"bn_distance.layer0": {400.0: np.nan}}), splits)
    with pytest.raises(ReportingError, match="splits lack known"):
        distance_histograms(signals, splits.drop(columns="known"))
    with pytest.raises(MetricError, match="0 members"):
        distance_histograms(signals, splits[splits["role"] != "member"])
