"""The limits of the audit, results that no other section names, and how to reproduce the report."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from faceleak.common.words import counted
from faceleak.reporting.audit.blocks import further_figures, tables_by
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import MADE_BY, SPLITS, TARGET_WEIGHTS, Tree, made_by
from faceleak.reporting.audit.parts import Block, Cell, Command, Paragraph, Section, Table
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.formats import in_short, listed
from faceleak.reporting.gate import join_numbers
from faceleak.reporting.style import words
from faceleak.work.tasks import fingerprint

Sentences = Iterator[tuple[str, bool]]  # text, and whether it is a warning

TOLD = 5  # changes of the configuration
OF_THE_TARGET = ("membership", "reconstruction", "repeats", "defense")
COPYING = timedelta(minutes=10)  # within which copied files get new times in any order
SHOWN = frozenset(name for names in MADE_BY.values() for name in names)


def section(evidence: Evidence) -> Section:
    """Intervals, choices made on the same people, and results that do not belong together."""
    paragraphs = (_intervals, _judged, _chosen, _unknown, _inconsistent, _older, _changed)
    blocks = tuple(Paragraph(text=text, warning=warns) for make in paragraphs for text, warns in make(evidence))
    closing = Paragraph(
        text="What was not tested is listed on the first page, by configuration and results; whatever is not named "
        "under “What was tested” was not tested either. An audit is no certificate."
    )
    return Section(id="limits", title="Limits of the audit", blocks=(*blocks, closing))


def _intervals(evidence: Evidence) -> Sentences:
    bootstrap = evidence.configuration.bootstrap
    several = evidence.files.has("comparison_metrics.json")
    yield (
        f"Brackets are {100 * bootstrap.level:g} % intervals: people are resampled, not images, "
        f"{bootstrap.resamples:,} times. They tell how much other people would have changed a number, not another "
        f"training run{', for which several targets were attacked' if several else ''}.",
        False,
    )


def _judged(evidence: Evidence) -> Sentences:
    numbers: Tree = next(iter(evidence.target.membership.against("identity").values()), {})
    if {"members", "non_members"} <= set(numbers):
        members = counted(numbers["members"], "training person", "training people")
        others = counted(numbers["non_members"], "other", "others")
        smallest = (
            f"the smallest false-positive rate above 0 is 1 in {counted(numbers['non_members'], 'person', 'people')}"
        )
        yield f"By person, {members} are told from {others}, so {smallest}.", False


def _chosen(evidence: Evidence) -> Sentences:
    number = len(evidence.membership_by("weights", "embeddings").tree)
    if number > 1:
        yield (
            f"Where the first page names the strongest of {number} attacks, it was chosen on the people by whom it is "
            "measured, which makes its number a little too high.",
            False,
        )


def _unknown(evidence: Evidence) -> Sentences:
    if unknown := [name for name in evidence.membership_by("weights").tree if name not in evidence.attacks]:
        yield f"The configuration does not know {listed(unknown)}: these results are of another configuration.", True


def _inconsistent(evidence: Evidence) -> Sentences:
    try:
        join_numbers(evidence.files.metrics())
    except ReportingError as error:
        yield f"Results do not belong together. {error}", True


def _older(evidence: Evidence) -> Sentences:
    weights = evidence.files.use(TARGET_WEIGHTS)
    if weights is None:
        return
    written = {used.file: used.written for used in evidence.files.used}
    judged = {name for pipeline in OF_THE_TARGET for name in MADE_BY[pipeline]}
    earliest = weights.written - COPYING
    if older := [file for file, when in written.items() if file.rpartition("/")[2] in judged and when < earliest]:
        yield f"Written before the target's weights, and perhaps of an earlier target: {listed(older)}.", True


def _changed(evidence: Evidence) -> Sentences:
    told = [
        f"{change.setting} was {in_short(change.then)} for {listed(list(change.results))} and is {in_short(change.now)}"
        for change in evidence.changes[:TOLD]
    ]
    if told:
        more = "; all under “How to reproduce”" if len(evidence.changes) > TOLD else ""
        yield (
            f"The configuration has changed since results were made: {'; '.join(told)}{more}. The report tells what "
            "they were made with. Numbers that were made with different settings are not to be compared.",
            True,
        )
    if evidence.not_written_down:
        yield (
            "Nobody has written down what these results were made with, so the report tells the present "
            f"configuration, which may be another: {listed(evidence.not_written_down)}.",
            False,
        )


def further(evidence: Evidence) -> Section:
    """Figures, and tables of metrics, that are new to this report."""
    blocks: list[Block] = [*further_figures(evidence)]
    for file, tree in evidence.files.metrics().items():
        if file not in SHOWN:
            title = words(file.removesuffix(".json")).capitalize()
            blocks += tables_by(_by_name(tree, title), 0, "metrics of", f"{title}: {{}}", folded=True)
    return Section(id="further", title="Further results", blocks=tuple(blocks))


def _by_name(tree: Tree, title: str) -> Tree:
    """Numbers that are of no variant, under the title of their file."""
    return tree if any(isinstance(branch, Mapping) for branch in tree.values()) else {title: tree}


def reproduce(evidence: Evidence) -> Section:
    """Origin, commands, and files."""
    return Section(id="reproduce", title="How to reproduce", blocks=tuple(_origin(evidence)))


def _origin(evidence: Evidence) -> list[Block]:
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
        *_changed_settings(evidence),
        _files(evidence),
    ]


def _changed_settings(evidence: Evidence) -> list[Block]:
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
