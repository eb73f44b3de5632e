from html.parser import HTMLParser

import pandas as pd
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.validation import count_roles, validation_blocks, validation_page


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
    *_, table = validation_blocks(validation)
    assert table.rows == (
        ("Every image has a name", "roles of image", "✓ passed", "0", ""),
        ("Every face is <small>", "roles of image", "✗ failed", "1,200", "a/<b>, c/d, …"),
        ("No copies", "roles of image", "! noted", "1", "a/1"),
    )
    *_, without_names = validation_blocks(validation, with_examples=False)
    assert without_names.rows == tuple(row[:-1] for row in table.rows)
    assert len(without_names.columns) == len(table.columns) - 1


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
    assert "<caption id=" in page
    assert "Every face is &lt;small&gt;" in page
    assert "a/&lt;b&gt;" in page
    assert page.count('<tr class="failed">') == 1


@pytest.mark.parametrize(
    ("decided_by", "expected"),
    [
        ({"user": 9000}, "for 9,000 images it is stated by the user"),
        ({"draw": 9000}, "for 9,000 images it was drawn"),
        ({}, "is not recorded"),
    ],
)
def test_the_page_says_who_decided_and_what_was_decoded(validation, decided_by, expected):
    page = validation_page({**validation, "decided_by": decided_by})
    assert expected in page
    assert "1 of 3 expectations fails" in page
    assert "7,000 have the hash" in page
    assert "2,000 were" in page
    assert page.count("<section") == 1
    assert "All 3 expectations hold" in validation_page(
        {**validation, "expectations": [entry("Every image has a name")] * 3}
    )


@pytest.fixture
def splits() -> pd.DataFrame:
    rows = [
        ("public", "dora", False, "draw"),
        ("member", "anna", True, "user"),
        ("member", "anna", True, "user"),
        ("member", "bert", False, "user"),
        ("public", "carl", False, "user"),
    ]
    return pd.DataFrame(rows, columns=["role", "identity", "known", "decided_by"])


def test_people_and_images_are_counted_and_it_is_told_who_decided(splits):
    assert count_roles(splits).to_numpy().tolist() == [
        ["member", 2, 3, 1, "stated by the user"],
        ["public", 2, 2, 0, "drawn, stated by the user"],
    ]


def test_splits_that_do_not_say_who_decided_are_refused(splits):
    with pytest.raises(ReportingError, match="decided_by"):
        count_roles(splits.drop(columns="decided_by"))
