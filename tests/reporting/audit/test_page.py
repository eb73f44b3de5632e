"""The page: no network, structure for those who do not see it, contrast, and names that try to be markup."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.audit.page import audit_page
from faceleak.reporting.audit.parts import Markdown, Section
from faceleak.reporting.templating import render
from tests.reporting.audit.conftest import EVIL

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Elements(HTMLParser):
    """All elements in order: tag, attributes, the tags around it, and the text directly inside."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict] = []
        self._open: list[dict] = []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "attributes": dict(attributes), "inside": [e["tag"] for e in self._open], "text": ""}
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open, tag
        assert self._open[-1]["tag"] == tag, f"</{tag}> closes <{self._open[-1]['tag']}>"
        self._open.pop()

    def handle_data(self, data):
        if self._open:
            self._open[-1]["text"] += data


@pytest.fixture(scope="module")
def page(report, complete):
    return audit_page(report, ResultFiles(complete))


@pytest.fixture(scope="module")
def own(page):
    """The page without plotly.js, which is a script of 4.6 MB."""
    return re.sub(r"<script[^>]*>/\*\*.*?</script>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def elements(own):
    parser = Elements()
    parser.feed(own)
    return parser.found


def named(elements, *tags):
    return [element for element in elements if element["tag"] in tags]


def test_nothing_is_loaded_from_elsewhere(page, own, elements):
    assert page.count("plotly.js v") == 1
    for element in elements:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = element["attributes"].get(name)
            assert value is None or value.startswith(("data:", "#")), (element["tag"], value)
    assert not re.search(r"@import|url\(", own)
    (policy,) = [e for e in named(elements, "meta") if "http-equiv" in e["attributes"]]
    assert policy["attributes"]["content"].startswith("default-src 'none'; img-src data:;")


def test_there_is_one_title_and_headings_skip_no_level(elements):
    levels = [int(element["tag"][1]) for element in named(elements, "h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_page_has_a_language_and_landmarks(elements):
    (root,) = named(elements, "html")
    assert root["attributes"]["lang"] == "en"
    assert Counter(e["tag"] for e in named(elements, "main", "header", "footer", "nav")) == {
        "main": 1,
        "header": 1,
        "footer": 1,
        "nav": 1,
    }


def test_ids_are_unique_and_everything_that_is_referred_to_is_there(elements):
    ids = Counter(e["attributes"]["id"] for e in elements if "id" in e["attributes"])
    assert [name for name, times in ids.items() if times > 1] == []
    for element in elements:
        for name in ("aria-labelledby", "aria-describedby"):
            if reference := element["attributes"].get(name):
                assert reference in ids, reference
        href = element["attributes"].get("href", "")
        assert not href.startswith("#") or href[1:] in ids, href


def test_pictures_say_in_words_what_they_show(elements):
    pictures = named(elements, "img")
    assert len(pictures) == 17
    assert all(len(picture["attributes"]["alt"]) > 20 for picture in pictures)
    assert any("AUC 0.850 [0.830, 0.870]" in picture["attributes"]["alt"] for picture in pictures)


def test_tables_have_captions_scopes_and_a_box_to_scroll_in(elements):
    tables = named(elements, "table")
    assert len(tables) > 20
    assert len(named(elements, "caption")) == len(tables)
    assert all(caption["text"].strip() for caption in named(elements, "caption"))
    assert all(cell["attributes"].get("scope") in ("row", "col") for cell in named(elements, "th"))
    boxes = [e for e in named(elements, "div") if e["attributes"].get("class") == "scroll"]
    assert len(boxes) == len(tables)
    assert all(box["attributes"]["tabindex"] == "0" for box in boxes)


def test_names_are_not_taken_for_markup(own, elements):
    assert EVIL not in own
    assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in own
    assert not [script for script in named(elements, "script") if "alert" in script["text"]]


def test_markup_in_a_document_is_shown_as_text(report, complete):
    section = Section(id="one", title="One", blocks=(Markdown(text=f"# Goal\n\nLittle. {EVIL}"),))
    page = audit_page(report.model_copy(update={"sections": (section,)}), ResultFiles(complete))
    assert "<h3>Goal</h3>" in page
    assert EVIL not in page
    assert "Little. &lt;/td&gt;&lt;script&gt;" in page


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_by_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("mode", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_in_every_mode(mode):
    blocks = re.findall(r":root \{(.*?)\}", render("audit.css"), flags=re.DOTALL)
    assert len(blocks) == 3
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[mode]))
    pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("paper", "panel")]
    pairs += [(kind, ground) for kind in ("bad", "open", "good") for ground in (f"{kind}-panel", "paper")]
    for ink, ground in pairs:
        assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)
