"""The `report` pipeline."""

import warnings

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.report.nodes import compose, write

OPTIONS = ("faces", "target", "membership", "attackers", "reconstruction", "defense", "bootstrap", "report")


def create_pipeline(after: Pipeline | None = None) -> Pipeline:
    """The report of whatever results are there, made once all of `after` has run."""
    waited_for = sorted(after.outputs()) if after else []
    inputs = ["audit_results", "origin", *(f"params:{name}" for name in OPTIONS), *waited_for]
    outputs = ["audit_page", "audit_tree", "model_card"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dataset names contain '.'")  # they are of the namespace `defense`
        composing = Node(compose, inputs, "audit", name="compose_report")
    return Pipeline([composing, Node(write, ["audit", "audit_results"], outputs, name="write_report")])
