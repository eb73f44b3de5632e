"""The `report` pipeline, and the table of results, which those that measure views end with."""

from kedro.pipeline import Node, Pipeline

from faceleak.common.trees import merge_metrics
from faceleak.pipelines.report.nodes import compose, summarize, write
from faceleak.reporting.tables import results_table

OPTIONS = ("faces", "target", "membership", "attackers", "reconstruction", "defense", "bootstrap", "report")


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
