"""The `report` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.report.nodes import compose, write

OPTIONS = ("faces", "target", "membership", "attackers", "reconstruction", "defense", "bootstrap", "report")


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
