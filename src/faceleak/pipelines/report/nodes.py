"""Report: whatever results are there, as a page, as JSON and as a part of a model card."""

from typing import Any

from faceleak.backbones.target_options import TargetOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reporting.options import ReportOptions


def compose(
    results: Any,
    origin: dict[str, Any],
    faces: FacesOptions,
    target: TargetOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    reconstruction: ReconstructionOptions,
    defense: DefenseOptions,
    bootstrap: BootstrapOptions,
    report: ReportOptions,
) -> Any:
    """Make the report as data."""
    from faceleak.reporting.audit.document import make_audit
    from faceleak.reporting.audit.evidence import Configuration, Evidence, Origin

    options = Configuration(faces, target, membership, attackers, reconstruction, defense, bootstrap, report)
    return make_audit(Evidence(results, options, Origin(**origin)))


def write(audit: Any, results: Any) -> tuple[str, dict[str, Any], str]:
    """Make page, JSON and model card of it."""
    from faceleak.reporting.audit.page import audit_page, model_card

    return audit_page(audit, results), audit.model_dump(mode="json"), model_card(audit)
