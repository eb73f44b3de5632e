"""The data: who plays which part, who decided it, and whether the images are fit for an audit."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.files import SPLITS
from faceleak.reporting.audit.formats import counted, listed
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.checks import check_columns
from faceleak.reporting.style import ROLE_MEANINGS, words

DECIDED = {"draw": "drawn at random by the audit", "user": "stated by the user"}


def section(evidence: Evidence) -> Section:
    """Roles, validation, quarantine, and a look at the faces."""
    blocks = [*_roles(evidence), *_validation(evidence), _quarantine(evidence), _look(evidence)]
    return Section(id="data", title="Data and validation", blocks=tuple(blocks))


def _roles(evidence: Evidence) -> list[Block]:
    splits = evidence.files.table(SPLITS)
    if splits is None:
        return [evidence.missing("Who plays which part", "faces_validation.json")]
    check_columns(splits, ["role", "identity", "known", "decided_by"], "splits")
    rows = []
    for role, images in by_role(splits):
        decided = [DECIDED.get(str(by), str(by)) for by in images["decided_by"].unique()]
        known = images[images["known"]]
        rows.append(
            (
                role,
                ROLE_MEANINGS.get(role, ""),
                int(images["identity"].nunique()),
                len(images),
                int(known["identity"].nunique()),
                listed(decided),
            )
        )
    columns = ("role", "what it means", "people", "images", "people known to the attacker", "who decided it")
    note = "Nobody whom the attacker knows is among those by whom attacks are judged."
    return [Table(caption="Who plays which part", columns=columns, rows=tuple(rows), note=note)]


def by_role(splits: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The images of each role, members first."""
    groups = {str(role): images for role, images in splits.groupby("role")}
    return [(role, groups[role]) for role in dict.fromkeys([*ROLE_MEANINGS, *groups]) if role in groups]


def _validation(evidence: Evidence) -> list[Block]:
    found = evidence.files.tree("faces_validation.json")
    if found is None:
        return [evidence.missing("What was expected of the faces", "faces_validation.json")]
    failed = sum(not entry["success"] for entry in found["expectations"])
    number = len(found["expectations"])
    text = (
        f"{failed} of {counted(number, 'expectation', 'expectations')} of the faces do not hold."
        if failed
        else f"All {number} expectations of the faces hold."
    )
    rows = tuple(_expectation(entry) for entry in found["expectations"])
    columns = ("expectation", "looked at", "holds", "severity", "images that differ")
    caption = f"What was expected of {counted(found['rows'], 'image', 'images')}"
    return [
        Paragraph(text=text, warning=bool(failed)),
        Table(caption=caption, columns=columns, rows=rows, folded=not failed),
    ]


def _expectation(entry: Mapping[str, Any]) -> tuple[str, str, bool, str, int]:
    name = entry.get("expected") or words(entry["name"])
    return name, words(entry["column"]), entry["success"], entry.get("severity", ""), entry["unexpected_count"]


def _quarantine(evidence: Evidence) -> Block:
    broken = evidence.files.table("quarantine.csv")
    if broken is None:
        return evidence.missing("Images that could not be read", "quarantine.csv")
    if broken.empty:
        return Paragraph(text="No image was left out as broken.")
    reasons = broken["reason"].value_counts()
    return Table(
        caption=f"Left out: {counted(len(broken), 'image that is', 'images that are')} broken",
        columns=("reason", "images"),
        rows=tuple((str(reason), int(count)) for reason, count in reasons.items()),
    )


def _look(evidence: Evidence) -> Block:
    splits = evidence.files.table(SPLITS)
    roles = [] if splits is None else [words(role) for role, _ in by_role(splits)]
    alt = f"Sample images of the people in each role: {listed(roles)}." if roles else "Sample images of the people."
    return figure(evidence, "people.png", "A look at the faces", alt)
