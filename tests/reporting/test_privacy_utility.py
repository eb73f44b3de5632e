import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation, Text

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.privacy_utility import privacy_utility_figure, privacy_utility_page
from tests.reporting.conftest import points_of

# utility and AUC by static, refitted and adaptive attacker: noise on BN statistics, bypassed by the adaptive one
NOISE = {
    "undefended": (0.945, 0.854, 0.854, 0.863),
    "noise_0.8": (0.801, 0.525, 0.506, 0.863),
    "noise_0.1": (0.944, 0.840, 0.843, 0.863),
    "noise_0.2": (0.936, 0.803, 0.808, 0.863),
    "noise_0.4": (0.891, 0.682, 0.675, 0.863),
    "reestimated_statistics": (0.945, 0.864, 0.863, 0.863),
}
DP = {"epsilon_8": (0.90, 0.60, 0.62, 0.64), "epsilon_2": (0.80, 0.52, 0.53, 0.55)}
CROWD = {**NOISE, **DP, **{f"a_defense_with_a_long_name_{i}_x": (0.943 + i / 2000, 0.8, 0.84, 0.86) for i in range(9)}}


def two_panels(variants):
    less = {name: (utility, *(auc - 0.05 for auc in aucs)) for name, (utility, *aucs) in variants.items()}
    return pd.concat([points_of(variants), points_of(less, "embeddings")], ignore_index=True)


def numbers(axes):
    return [text for text in axes.texts if isinstance(text, Annotation)]


def named(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def test_an_access_has_a_panel_with_marks_of_each_attacker_on_shared_axes():
    figure = privacy_utility_figure(two_panels(NOISE))
    weights, embeddings, _ = figure.axes
    assert (weights.get_title("left"), embeddings.get_title("left")) == ("Weights in hand", "Embeddings only")
    assert weights.get_xlim() == embeddings.get_xlim()
    assert weights.get_ylim() == embeddings.get_ylim()
    shapes = {named(weights, f"{attacker} attacker").get_marker() for attacker in ("static", "refitted", "adaptive")}
    assert len(shapes) == 3
    expected = np.array([(utility, static) for utility, static, _, _ in NOISE.values()])
    np.testing.assert_allclose(named(weights, "static attacker").get_xydata(), expected)
    np.testing.assert_allclose(named(embeddings, "static attacker").get_xydata(), expected - [0, 0.05])
    assert named(weights, "chance").get_ydata()[0] == 0.5


def test_lines_join_only_strengths_of_one_defense_by_strength():
    axes = privacy_utility_figure(points_of({**NOISE, **DP})).axes[0]
    joined = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert len(joined) == 6  # two defenses, three attackers
    np.testing.assert_allclose(joined[0].get_xydata(), [(0.944, 0.84), (0.936, 0.803), (0.891, 0.682), (0.801, 0.525)])
    np.testing.assert_allclose(joined[1].get_xydata(), [(0.80, 0.52), (0.90, 0.60)])


def test_the_front_is_that_of_the_strongest_attackers_of_the_panel():
    weights, embeddings, _ = privacy_utility_figure(two_panels({**NOISE, **DP})).axes
    # noise costs utility and the adaptive attacker loses nothing by it; re-estimation is as good as undefended at
    # 0.864 for a static attacker, so the undefended target at 0.863 is ahead of it
    expected = np.array([(0.80, 0.55), (0.90, 0.64), (0.945, 0.863)])
    label = "Pareto front against the strongest attacker"
    np.testing.assert_allclose(named(weights, label).get_xydata(), expected)
    np.testing.assert_allclose(named(embeddings, label).get_xydata(), expected - [0, 0.05])


def test_every_variant_has_a_number_in_each_panel_that_covers_nothing_and_is_explained_below():
    figure = privacy_utility_figure(two_panels(CROWD))
    figure.draw_without_rendering()
    *panels, names = figure.axes
    for axes in panels:
        texts = numbers(axes)
        assert [text.get_text().strip() for text in texts] == [str(place + 1) for place in range(len(CROWD))]
        boxes = [Text.get_window_extent(text) for text in texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        assert all(axes.bbox.contains(*corner) for box in boxes for corner in (box.min, box.max))
    listed = [text.get_text() for text in names.texts]
    assert dict(zip(listed[1::2], listed[::2], strict=True)) == {
        variant: str(place) for place, variant in enumerate(CROWD, start=1)
    }
    boxes = [text.get_window_extent() for text in names.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_numbers_stay_clear_of_marks():
    table = points_of(DP)
    figure = privacy_utility_figure(table)
    figure.draw_without_rendering()
    marks = figure.axes[0].transData.transform(table[["utility", "attack_auc"]])
    boxes = [Text.get_window_extent(text) for text in numbers(figure.axes[0])]
    assert not any(box.contains(*mark) for box in boxes for mark in marks)


def test_error_bars_are_drawn_where_intervals_are_known():
    table = points_of(DP)
    table[["utility_ci_low", "utility_ci_high"]] = np.nan
    segments = [
        segment
        for bars in privacy_utility_figure(table).axes[0].collections
        for segment in bars.get_segments()
        if segment.size and np.isfinite(segment).all()
    ]
    assert len(segments) == len(table)
    np.testing.assert_allclose(segments[0], [(0.90, 0.58), (0.90, 0.62)])


def test_an_attacker_keeps_its_mark_where_others_are_missing():
    table = pd.concat([points_of(DP), points_of({"epsilon_8": (0.9, None, 0.6, 0.61)}, "embeddings")])
    weights, embeddings, _ = privacy_utility_figure(table).axes
    assert named(embeddings, "refitted attacker").get_marker() == named(weights, "refitted attacker").get_marker()
    assert len(named(embeddings, "static attacker").get_xydata()) == 0
    assert [text.get_text().strip() for text in numbers(embeddings)] == ["1"]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ReportingError, match="no utility or no attack AUC"):
        privacy_utility_figure(points_of(DP).assign(attack_auc=np.nan))


EVIL = "</script><img src=x onerror=alert(1)>_1"
SHOWN_WEIGHTS = {
    "undefended": (0.945, 0.9, 0.9, 0.91),
    "noise_2": (0.9, 0.7, 0.72, 0.9),
    "noise_1": (0.93, 0.8, 0.81, 0.9),
}
SHOWN_EMBEDDINGS = {
    "undefended": (0.945, 0.8, 0.8, 0.8),
    "noise_2": (0.9, None, 0.65, 0.66),
    EVIL: (0.93, 0.7, 0.71, 0.72),
}


@pytest.fixture(scope="module")
def page():
    return privacy_utility_page(pd.concat([points_of(SHOWN_WEIGHTS), points_of(SHOWN_EMBEDDINGS, "embeddings")]))


@pytest.fixture(scope="module")
def plot(page):
    """Traces, layout and configuration, as the page hands them to plotly."""
    decoder, rest, parts = json.JSONDecoder(), page[page.rindex("Plotly.newPlot(") :], []
    rest = rest[rest.index("[") :]
    for _ in range(3):
        part, end = decoder.raw_decode(rest)
        parts.append(part)
        rest = rest[end:].lstrip(" ,\n")
    return parts


def own_parts(page):
    """The page without plotly.js."""
    return re.sub(r"<script[^>]*>/\*\*.*?</script>", "", page, flags=re.DOTALL)


def test_nothing_is_loaded_from_elsewhere(page, plot):
    assert page.count("plotly.js v") == 1
    assert len(page) < 6e6
    own = own_parts(page)
    assert len(own) < 1e5
    assert not re.search(r"<(script|img|iframe|link|source)[^>]*\b(src|href)=|@import|url\(|https?://", own)
    assert plot[2]["showSendToCloud"] is False


def test_names_are_not_taken_for_markup(page):
    assert "<img" not in own_parts(page)
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;_1" in page


def test_a_choice_shows_the_traces_of_one_access(page, plot):
    traces = plot[0]
    assert re.findall(r'value="(\w+)"[^>]*?( checked)?> ([\w ]+)<', page) == [
        ("weights", " checked", "weights in hand"),
        ("embeddings", "", "embeddings only"),
    ]
    assert {(trace["meta"], trace["visible"]) for trace in traces} == {("weights", True), ("embeddings", False)}
    joined = [trace["meta"] for trace in traces if trace["mode"] == "lines"]
    assert joined == ["weights"] * 3  # noise_1 and noise_2, by three attackers; no two strengths for embeddings
    marks = [(trace["meta"], trace["name"]) for trace in traces if trace["mode"] == "markers"]
    attackers = ["static attacker", "refitted attacker", "adaptive attacker"]
    assert marks == [(access, name) for access in ("weights", "embeddings") for name in attackers]


def test_pointing_at_a_mark_tells_all_about_it(plot):
    adaptive = next(trace for trace in plot[0] if trace.get("name") == "adaptive attacker")
    assert adaptive["text"][1] == (
        "<b>noise_2</b>, adaptive attacker<br>attack: fused_partial_knowledge<br>bypassed by: bn_reestimation<br>"
        "utility 0.900 [0.880, 0.920]<br>AUC 0.900 [0.880, 0.920]<br>TPR at 1 % FPR 0.100 [0.080, 0.120]"
    )
    assert "bypassed by: nothing" in adaptive["text"][0]


def test_the_plot_is_transparent_and_the_page_says_the_same_in_words(page, plot):
    assert plot[1]["paper_bgcolor"] == plot[1]["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert '<figure aria-describedby="privacy-utility-caption">' in page
    # the adaptive attacker has both strengths at 0.9, the stronger one for less utility
    assert (
        "Of 3 variants, with weights in hand, on the Pareto front: noise_1 (utility 0.930, AUC 0.900), undefe" in page
    )
    weights, embeddings = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    assert re.findall(r"<tr>\s*<td>(\w+)</td>", weights) == list(SHOWN_WEIGHTS)
    noise = re.search(r"<td>noise_2</td>.*?</tr>", embeddings, flags=re.DOTALL)
    assert re.findall(r"<td>(.*?)</td>", noise[0]) == [
        *("noise_2", "0.900 [0.880, 0.920]", "–", "0.650 [0.630, 0.670]", "0.660 [0.640, 0.680]"),
        *("bn_reestimation", "–", "0.100 [0.080, 0.120]"),
    ]


def test_a_page_of_nothing_is_refused():
    with pytest.raises(ReportingError, match="have no rows"):
        privacy_utility_page(points_of({}))
