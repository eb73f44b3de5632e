"""The faces in words: people and images of each role, who decided it, and the result of validation, also as a page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from faceleak.common.words import counted, form
from faceleak.reporting.audit.parts import Paragraph, Table
from faceleak.reporting.checks import check_columns
from faceleak.reporting.formats import cell_text
from faceleak.reporting.style import ROLE_MEANINGS, words
from faceleak.reporting.templating import render

Validation = Mapping[str, Any]

TITLE = "Are the faces fit for an audit?"
PASSED, FAILED, NOTED = "✓ passed", "✗ failed", "! noted"
COLUMNS = ("expectation", "looked at", "result", "images", "examples")
DECIDERS = {"user": "stated by the user", "draw": "drawn"}


def count_roles(splits: pd.DataFrame) -> pd.DataFrame:
    """One row a role: role, people, images, known_people (to the attacker), decided_by (`DECIDERS`).

    splits: role, identity, known, decided_by. Raises ReportingError if a column is missing.
    """
    check_columns(splits, ["role", "identity", "known", "decided_by"], "splits")
    roles = splits.groupby("role")
    counts = pd.DataFrame({"people": roles["identity"].nunique(), "images": roles.size()})
    counts["known_people"] = splits[splits["known"]].groupby("role")["identity"].nunique()
    counts["decided_by"] = roles["decided_by"].agg(lambda by: ", ".join(DECIDERS[one] for one in sorted(set(by))))
    order = [role for role in ROLE_MEANINGS if role in counts.index]
    counts = counts.loc[order].fillna({"known_people": 0}).astype({"known_people": int})
    return counts.reset_index(names="role")


def validation_page(validation: Validation) -> str:
    """Make one small HTML page that needs nothing else; `validation` as `faces.validation.examine` gives it."""
    *paragraphs, table = validation_blocks(validation)
    return render(
        "validation.html.j2",
        {"cell": cell_text},
        title=TITLE,
        paragraphs=paragraphs,
        table=table,
        is_number=lambda *_: False,
        is_failed=lambda row: FAILED in row,
        styles=Markup(render("audit.css")),  # noqa: S704
    )


def validation_blocks(validation: Validation, with_examples: bool = True) -> tuple[Paragraph, Paragraph, Table]:
    """Whether all is well, who decided and what was looked at, and one row an expectation, in words (`COLUMNS`).

    images: how many are not as expected. Examples are names of images, which often tell people.
    """
    shown = len(COLUMNS) if with_examples else len(COLUMNS) - 1
    return (
        Paragraph(text=verdict(validation), warning=not validation["success"]),
        Paragraph(text=f"{decided(validation)} {how_images_were_checked(validation)}"),
        Table(
            caption=f"What was expected of {counted(validation['rows'], 'image')}, and how many differ",
            columns=COLUMNS[:shown],
            rows=tuple(row[:shown] for row in _rows(validation)),
            folded=validation["success"],
        ),
    )


def verdict(validation: Validation) -> str:
    """Say whether all expectations hold."""
    number = len(validation["expectations"])
    failed = sum(not entry["success"] for entry in validation["expectations"])
    if not failed:
        return f"All {number} expectations hold."
    fails = f"{counted(number, 'expectation')} {form(failed, 'fails', 'fail')}"
    return f"{failed} of {fails}: the faces are not fit for an audit."


def decided(validation: Validation) -> str:
    """Who decided the role of each image, and for how many."""
    verbs = {"user": "is", "draw": "was"}
    deciders = validation["decided_by"].items()
    parts = [f"for {counted(count, 'image')} it {verbs[by]} {DECIDERS[by]}" for by, count in deciders]
    if not parts:
        return "Who decided which part each image plays is not recorded."
    return f"Which part an image plays: {', '.join(parts)}."


def how_images_were_checked(validation: Validation) -> str:
    """Say which stored images were decoded again, and which were not and why."""
    same, decoded = validation["images"]["same_hash"], validation["images"]["decoded"]
    return (
        f"Of the stored images, {same:,} have the hash that they had when they were packed, and were not decoded "
        f"again; {decoded:,} were."
    )


def _rows(validation: Validation) -> list[tuple[str, ...]]:
    return [
        (
            entry["expected"],
            words(entry["column"]),
            _result(entry),
            f"{entry['unexpected_count']:,}",
            ", ".join(entry["examples"]) + (", …" if entry["unexpected_count"] > len(entry["examples"]) else ""),
        )
        for entry in validation["expectations"]
    ]


def _result(entry: Mapping[str, Any]) -> str:
    if not entry["success"]:
        return FAILED
    return NOTED if entry["unexpected_count"] else PASSED
