"""The limits of the audit: how sure its numbers are, and which results do not belong together."""

from collections.abc import Iterator
from datetime import timedelta

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import MADE_BY, TARGET_WEIGHTS, Tree
from faceleak.reporting.audit.formats import in_short, listed
from faceleak.reporting.audit.parts import Paragraph, Section
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.gate import join_numbers
from faceleak.words import counted

TOLD = 5  # changes of the configuration
OF_THE_TARGET = ("membership", "reconstruction", "repeats", "defense")
COPYING = timedelta(minutes=10)  # within which copied files get new times in any order


def section(evidence: Evidence) -> Section:
    """Intervals, choices made on the same people, and results that do not belong together."""
    paragraphs = (_intervals, _judged, _chosen, _unknown, _inconsistent, _older, _changed)
    blocks = tuple(Paragraph(text=text, warning=warns) for make in paragraphs for text, warns in make(evidence))
    closing = Paragraph(
        text="What was not tested is listed on the first page, by configuration and results; whatever is not named "
        "under “What was tested” was not tested either. An audit is no certificate."
    )
    return Section(id="limits", title="Limits of the audit", blocks=(*blocks, closing))


Sentences = Iterator[tuple[str, bool]]  # text, and whether it is a warning


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
    numbers: Tree = next((found["identity"] for found in evidence.membership.values() if "identity" in found), {})
    if {"members", "non_members"} <= set(numbers):
        members = counted(numbers["members"], "training person", "training people")
        others = counted(numbers["non_members"], "other", "others")
        smallest = (
            f"the smallest false-positive rate above 0 is 1 in {counted(numbers['non_members'], 'person', 'people')}"
        )
        yield f"By person, {members} are told from {others}, so {smallest}.", False


def _chosen(evidence: Evidence) -> Sentences:
    number = len(evidence.membership_by("weights", "embeddings"))
    if number > 1:
        yield (
            f"Where the first page names the strongest of {number} attacks, it was chosen on the people by whom it is "
            "measured, which makes its number a little too high.",
            False,
        )


def _unknown(evidence: Evidence) -> Sentences:
    if unknown := [name for name in evidence.membership_by("weights") if name not in evidence.attacks]:
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
