"""The data: who plays which part, who decided it, and whether the images are fit for an audit."""

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.files import SPLITS
from faceleak.reporting.audit.formats import listed
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.roles import count_roles
from faceleak.reporting.style import ROLE_MEANINGS, words
from faceleak.reporting.validation_page import decided, how_images_were_checked, validation_table, verdict
from faceleak.words import counted


def section(evidence: Evidence) -> Section:
    """Roles, validation, quarantine, and a look at the faces."""
    blocks = [_roles(evidence), *_validation(evidence), _quarantine(evidence), _look(evidence)]
    return Section(id="data", title="Data and validation", blocks=tuple(blocks))


def _roles(evidence: Evidence) -> Block:
    splits = evidence.files.table(SPLITS)
    if splits is None:
        return evidence.missing("Who plays which part", "faces_validation.json")
    rows = tuple(
        (role, ROLE_MEANINGS[role], int(people), int(images), int(known), decided_by)
        for role, people, images, known, decided_by in count_roles(splits).itertuples(index=False)
    )
    columns = ("role", "what it means", "people", "images", "people known to the attacker", "who decided it")
    note = "Nobody whom the attacker knows is among those by whom attacks are judged."
    return Table(caption="Who plays which part", columns=columns, rows=rows, note=note)


def _validation(evidence: Evidence) -> list[Block]:
    found = evidence.files.tree("faces_validation.json")
    if found is None:
        return [evidence.missing("What was expected of the faces", "faces_validation.json")]
    table = validation_table(found)
    if not evidence.configuration.report.show_people:
        table = table.drop(columns="examples")  # names of images often tell people
    return [
        Paragraph(text=verdict(found), warning=not found["success"]),
        Paragraph(text=f"{decided(found)} {how_images_were_checked(found)}"),
        Table(
            caption=f"What was expected of {counted(found['rows'], 'image', 'images')}, and how many differ",
            columns=tuple(table.columns),
            rows=tuple(table.itertuples(index=False, name=None)),
            folded=found["success"],
        ),
    ]


def _quarantine(evidence: Evidence) -> Block:
    broken = evidence.files.table("quarantine.csv")
    if broken is None:
        return evidence.missing("Images that could not be read", "quarantine.csv")
    if broken.empty:
        return Paragraph(text="No image was left out.")
    counts = broken.assign(count=broken.get("count", 1))  # earlier tables have an image a row
    left_out = counted(int(counts["count"].sum()), "image or file", "images and files")
    if not evidence.configuration.report.show_people:  # reasons name images
        return Paragraph(text=f"Left out: {left_out}; quarantine.csv says why.")
    reasons = counts.groupby("reason")["count"].sum().sort_values(ascending=False, kind="stable")
    return Table(
        caption=f"Left out: {left_out}",
        columns=("reason", "images and files"),
        rows=tuple((str(reason), int(count)) for reason, count in reasons.items()),
    )


def _look(evidence: Evidence) -> Block:
    splits = evidence.files.table(SPLITS)
    roles = [] if splits is None else [words(role) for role in count_roles(splits)["role"]]
    alt = f"Sample images of the people in each role: {listed(roles)}." if roles else "Sample images of the people."
    return figure(evidence, "people.png", "A look at the faces", alt)
