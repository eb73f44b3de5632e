"""The whole report as data: the content of `audit.json`, from which page and model card are made."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import JsonValue

from faceleak.reporting.audit.evidence import Evidence, Origin
from faceleak.reporting.audit.files import UsedFile
from faceleak.reporting.audit.first_page import summarize
from faceleak.reporting.audit.parts import Part, Section, Summary
from faceleak.reporting.audit.sections import about, defenses, erasure, limits, membership, reconstruction
from faceleak.reporting.checks import ReportingError

TITLE = "Privacy audit of a face-recognition backbone"
SECTIONS = (
    about.target,
    about.data,
    about.threat_models,
    membership.section,
    reconstruction.section,
    reconstruction.tuning,
    membership.several_targets,
    defenses.section,
    erasure.section,
    defenses.gate,
    limits.further,
    limits.section,
    limits.reproduce,  # last: it lists the files that the others have read
)


class Audit(Part):
    """The report of one audit. `metrics`: file → variant → stage → attack → population or step → metric → number."""

    schema_version: Literal[1] = 1
    title: str
    created: datetime
    origin: Origin
    summary: Summary
    sections: tuple[Section, ...]
    metrics: dict[str, JsonValue]
    files: tuple[UsedFile, ...]


def make_audit(evidence: Evidence) -> Audit:
    """Make the report from the results that exist.

    Raises ReportingError if there are none at all, or if a file cannot be read.
    """
    metrics: dict[str, Any] = dict(evidence.files.metrics())
    summary = summarize(evidence)
    made = tuple(section(evidence) for section in SECTIONS)
    if not evidence.files.used:
        raise ReportingError(
            f"{evidence.files.folder} holds no results, so there is nothing to report. Run an audit first: "
            f"{evidence.command('attack')}."
        )
    return Audit(
        title=TITLE,
        created=datetime.now(UTC).replace(microsecond=0),
        origin=evidence.origin,
        summary=summary,
        sections=tuple(section for section in made if section.blocks),
        metrics=metrics,
        files=tuple(evidence.files.used),
    )


def audit_schema() -> dict[str, Any]:
    """The JSON schema of `audit.json`."""
    return Audit.model_json_schema(mode="serialization")
