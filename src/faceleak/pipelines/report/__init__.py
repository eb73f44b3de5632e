"""The `report` pipeline: whatever results are there as a page, as JSON and for a model card.

What measures views ends with the table of results.
"""

from kedro.pipeline import Node, Pipeline

from faceleak.auditing.kinds import Audit
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.trees import Metrics, Tree, merge_metrics
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.options import ReportOptions
from faceleak.reporting.tables import results_table

OPTIONS = ("faces", "target", "membership", "attackers", "reconstruction", "defense", "bootstrap", "report")


def summarize(results: Metrics) -> Metrics:
    """Few numbers a variant, the same for every run: variant → `summary` → name → value."""
    from faceleak.reporting.results import read_variants
    from faceleak.reporting.run_description import summary_numbers

    return {variant.name: {"summary": summary_numbers(variant)} for variant in read_variants(results)}


def compose(
    results: ResultFiles,
    origin: Tree,
    faces: FacesOptions,
    target: TargetOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    reconstruction: ReconstructionOptions,
    defense: DefenseOptions,
    bootstrap: BootstrapOptions,
    report: ReportOptions,
) -> Audit:
    """Make the report as data."""
    from faceleak.reporting.audit.document import make_audit
    from faceleak.reporting.audit.evidence import Configuration, Evidence, Origin

    options = Configuration(faces, target, membership, attackers, reconstruction, defense, bootstrap, report)
    return make_audit(Evidence(results, options, Origin(**origin)))


def write(audit: Audit, results: ResultFiles) -> tuple[str, Tree, str]:
    """Make page, JSON and model card of it."""
    from faceleak.reporting.audit.page import audit_page, model_card

    return audit_page(audit, results), audit.model_dump(mode="json"), model_card(audit)


def report_views() -> Pipeline:
    """Results of any views: the target's in the `attack` pipeline, the variants' in `defense`."""
    metrics = ["utility_metrics", "membership_metrics", "reconstruction_metrics"]
    return Pipeline(
        [
            Node(merge_metrics, metrics, "results", name="merge_results"),
            Node(summarize, "results", "summary", name="summarize_results"),
            Node(results_table, "results", "results_table", name="tabulate_results"),
        ]
    )


def create_pipeline() -> Pipeline:
    """The report of whatever results are there."""
    inputs = ["audit_results", "origin", *(f"params:{name}" for name in OPTIONS)]
    outputs = ["audit_page", "audit_tree", "model_card"]
    return Pipeline(
        [
            Node(compose, inputs, "audit", name="compose_report"),
            Node(write, ["audit", "audit_results"], outputs, name="write_report"),
        ]
    )
