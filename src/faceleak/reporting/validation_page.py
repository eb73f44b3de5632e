"""What validation found, readable: a section for any report, and a page of its own."""

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from faceleak.reporting.style import words
from faceleak.words import counted, form

Validation = Mapping[str, Any]

TITLE = "Are the faces fit for an audit?"
PASSED, FAILED, NOTED = "✓ passed", "✗ failed", "! noted"
COLUMNS = ("expectation", "looked at", "result", "images", "examples")
DECIDERS = {"user": "is stated by the user", "draw": "was drawn"}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.35rem }} h2 {{ font-size: 1.05rem }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }}
caption {{ text-align: left; padding-bottom: .5rem }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8884 }}
th[scope=row] {{ font-weight: normal }}
.number {{ text-align: right }} .result {{ white-space: nowrap }}
tr.failed :is(th, .result) {{ font-weight: bold }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{section}
</main>
</body>
</html>
"""


def validation_page(validation: Validation) -> str:
    """Make one small HTML page that needs nothing else; `validation` as `faces.validation.examine` gives it."""
    return PAGE.format(title=TITLE, section=validation_section(validation, heading=""))


def validation_section(validation: Validation, heading: str = "<h2>The faces</h2>") -> str:
    """Make the part of an HTML page that says what was expected of the faces, and what was found."""
    rows = [_row(row, shown) for row, shown in zip(*_entries_and_rows(validation), strict=True)]
    head = "".join(
        f'<th scope="col"{_class("number" if name == "images" else "")}>{name.capitalize()}</th>' for name in COLUMNS
    )
    return (
        f'<section class="validation">\n{heading}\n'
        f"<p><strong>{escape(verdict(validation))}</strong> {escape(decided(validation))} "
        f"{escape(how_images_were_checked(validation))}</p>\n"
        f'<div class="table"><table>\n<caption>What was expected of {counted(validation["rows"], "image")}, and how '
        f"many are not so.</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n"
        "</table></div>\n</section>"
    )


def validation_table(validation: Validation) -> pd.DataFrame:
    """One row an expectation, in words (`COLUMNS`); images: how many are not as expected."""
    return pd.DataFrame(_entries_and_rows(validation)[1], columns=list(COLUMNS))


def verdict(validation: Validation) -> str:
    """Say whether all expectations hold."""
    number = len(validation["expectations"])
    failed = sum(not entry["success"] for entry in validation["expectations"])
    if not failed:
        return f"All {number} expectations hold."
    fails = f"{counted(number, 'expectation')} {form(failed, 'fails', 'fail')}"
    return f"{failed} of {fails}: the faces are not fit for an audit."


def decided(validation: Validation) -> str:
    """Say who decided which part each image plays, and for how many."""
    parts = [f"for {counted(count, 'image')} it {DECIDERS[by]}" for by, count in validation["decided_by"].items()]
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


def _entries_and_rows(validation: Validation) -> tuple[list[Mapping[str, Any]], list[tuple[str, ...]]]:
    entries = validation["expectations"]
    return entries, [
        (
            entry["expected"],
            words(entry["column"]),
            _result(entry),
            f"{entry['unexpected_count']:,}",
            ", ".join(entry["examples"]) + (", …" if entry["unexpected_count"] > len(entry["examples"]) else ""),
        )
        for entry in entries
    ]


def _result(entry: Mapping[str, Any]) -> str:
    if not entry["success"]:
        return FAILED
    return NOTED if entry["unexpected_count"] else PASSED


def _row(entry: Mapping[str, Any], shown: tuple[str, ...]) -> str:
    name, looked_at, result, images, examples = (escape(text) for text in shown)
    return (
        f'<tr{_class("" if entry["success"] else "failed")}><th scope="row">{name}</th><td>{looked_at}</td>'
        f'<td class="result">{result}</td><td class="number">{images}</td><td>{examples}</td></tr>'
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
