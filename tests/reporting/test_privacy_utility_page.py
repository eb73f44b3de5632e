import json
import re

import pandas as pd
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.privacy_utility_page import privacy_utility_page
from tests.reporting.conftest import points_of

EVIL = "</script><img src=x onerror=alert(1)>_1"
WEIGHTS = {"undefended": (0.945, 0.9, 0.9, 0.91), "noise_2": (0.9, 0.7, 0.72, 0.9), "noise_1": (0.93, 0.8, 0.81, 0.9)}
EMBEDDINGS = {"undefended": (0.945, 0.8, 0.8, 0.8), "noise_2": (0.9, None, 0.65, 0.66), EVIL: (0.93, 0.7, 0.71, 0.72)}


@pytest.fixture(scope="module")
def page():
    return privacy_utility_page(pd.concat([points_of(WEIGHTS), points_of(EMBEDDINGS, "embeddings")]))


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
        "<b>noise_2</b>, adaptive attacker<br>attack: fused_partial_knowledge<br>undone by: bn_reestimation<br>"
        "utility 0.900 [0.880, 0.920]<br>AUC 0.900 [0.880, 0.920]<br>TPR at 1 % FPR 0.100 [0.080, 0.120]"
    )
    assert "undone by: nothing" in adaptive["text"][0]


def test_the_plot_is_transparent_and_the_page_says_the_same_in_words(page, plot):
    assert plot[1]["paper_bgcolor"] == plot[1]["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert '<figure aria-describedby="privacy-utility-caption">' in page
    # the adaptive attacker has both strengths at 0.9, the stronger one for less utility
    assert (
        "Of 3 variants, with weights in hand, on the Pareto front: noise_1 (utility 0.930, AUC 0.900), undefe" in page
    )
    weights, embeddings = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    assert re.findall(r"<tr>\s*<td>(\w+)</td>", weights) == list(WEIGHTS)
    noise = re.search(r"<td>noise_2</td>.*?</tr>", embeddings, flags=re.DOTALL)
    assert re.findall(r"<td>(.*?)</td>", noise[0]) == [
        *("noise_2", "0.900 [0.880, 0.920]", "–", "0.650 [0.630, 0.670]", "0.660 [0.640, 0.680]"),
        *("bn_reestimation", "–", "0.100 [0.080, 0.120]"),
    ]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ReportingError, match="have no rows"):
        privacy_utility_page(points_of({}))
