from html.parser import HTMLParser

import pytest

from faceleak.reporting.validation_page import validation_page, validation_section, validation_table


def entry(expected: str, count: int = 0, success: bool = True, examples: tuple[str, ...] = ()) -> dict:
    numbers = {"unexpected_count": count, "examples": list(examples), "success": success}
    return {"name": "some", "column": "roles_of_image", "expected": expected, "severity": "critical", **numbers}


@pytest.fixture
def validation() -> dict:
    entries = [
        entry("Every image has a name"),
        entry("Every face is <small>", 1200, success=False, examples=("a/<b>", "c/d")),
        entry("No copies", 1, examples=("a/1",)),
    ]
    images = {"same_hash": 7000, "decoded": 2000}
    return {"rows": 9000, "success": False, "expectations": entries, "images": images, "decided_by": {"user": 9000}}


def test_the_table_says_what_was_looked_at_and_found(validation):
    rows = validation_table(validation).to_numpy().tolist()
    assert rows == [
        ["Every image has a name", "roles of image", "✓ passed", "0", ""],
        ["Every face is <small>", "roles of image", "✗ failed", "1,200", "a/<b>, c/d, …"],
        ["No copies", "roles of image", "! noted", "1", "a/1"],
    ]


def test_the_page_is_well_formed_small_and_needs_no_network(validation):
    page = validation_page(validation)
    opened: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Tags().feed(page)
    assert opened == []
    assert len(page) < 10_000
    assert "http" not in page
    assert 'scope="row"' in page
    assert "<caption>" in page
    assert "Every face is &lt;small&gt;" in page
    assert "a/&lt;b&gt;" in page


@pytest.mark.parametrize(
    ("decided_by", "expected"),
    [
        ({"user": 9000}, "for 9,000 images it is stated by the user"),
        ({"draw": 9000}, "for 9,000 images it was drawn"),
        ({}, "is not recorded"),
    ],
)
def test_the_section_says_who_decided_and_what_was_decoded(validation, decided_by, expected):
    section = validation_section({**validation, "decided_by": decided_by})
    assert expected in section
    assert "1 of 3 expectations fails" in section
    assert "7,000 have the hash" in section
    assert "2,000 were" in section
    assert section.startswith("<section")
    assert "All 3 expectations hold" in validation_section(
        {**validation, "expectations": [entry("Every image has a name")] * 3}
    )
