"""How to reproduce the report: commit, command, software, and the hash of every file that it was made from."""

from faceleak.pieces import fingerprint
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import SPLITS, made_by
from faceleak.reporting.audit.formats import in_short, listed
from faceleak.reporting.audit.parts import Block, Cell, Command, Paragraph, Section, Table


def section(evidence: Evidence) -> Section:
    """Origin, commands, and files."""
    return Section(id="reproduce", title="How to reproduce", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    origin = evidence.origin
    changed = "with changes that were not committed" if origin.uncommitted_changes else "as committed"
    environment = "conf/base" if origin.environment == "base" else f"conf/base and conf/{origin.environment}"
    rows: list[tuple[Cell, ...]] = [
        ("commit", origin.commit or "unknown"),
        ("sources", changed if origin.commit else "unknown"),
        ("configuration of the report", environment),
        ("hash of the split", _splits_hash(evidence)),
        *origin.software.items(),
    ]
    return [
        Paragraph(text="This report was made by:"),
        Command(text=origin.command),
        Table(caption="Where the report comes from", columns=("what", "value"), rows=tuple(rows)),
        *_changes(evidence),
        _files(evidence),
    ]


def _changes(evidence: Evidence) -> list[Block]:
    rows = tuple(
        (change.setting, in_short(change.now), in_short(change.then), listed(list(change.results)))
        for change in evidence.changes
    )
    columns = ("setting", "now", "when these were made", "results")
    caption = "Settings that have changed since results were made"
    return [Table(caption=caption, columns=columns, rows=rows)] if rows else []


def _splits_hash(evidence: Evidence) -> str:
    splits = evidence.files.table(SPLITS)
    return "none" if splits is None else fingerprint(splits)


def _files(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (used.file, used.sha256[:16], f"{used.written:%Y-%m-%d %H:%M} UTC", _maker(evidence, used.file))
        for used in evidence.files.used
    ]
    return Table(
        caption="The files that the report was made from",
        columns=("file", "sha256 begins with", "written", "made by"),
        rows=tuple(rows),
        note="Whole hashes are in audit.json. Runs in MLflow that used the same data have the hash of the split as "
        "their tag faceleak.splits_hash.",
    )


def _maker(evidence: Evidence, file: str) -> str:
    if recorded := evidence.files.made_with(file):
        return recorded.command
    folder, _, name = file.rpartition("/")
    of_folder = {"03_primary": "faces", "06_models/target": "target"}
    pipeline = of_folder.get(folder) or made_by(name)
    return evidence.command(pipeline) if pipeline else ""
