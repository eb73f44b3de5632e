"""The `report` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.report.nodes import compose, write

OPTIONS = (
    "faces",
    "target",
    "membership",
    "attackers",
    "reconstruction",
    "defense",
    "bootstrap",
    "report",
)


def create_pipeline(after: Pipeline | None = None) -> Pipeline:
    """The report of whatever results are there, made once all of `after` has run."""
    waiting = sorted(after.outputs()) if after else []
    return Pipeline(
        [
            Node(
                compose,
                ["audit_results", "origin", *(f"params:{name}" for name in OPTIONS), *waiting],
                "audit",
                name="compose_report",
            ),
            Node(write, ["audit", "audit_results"], ["audit_page", "audit_tree", "model_card"], name="write_report"),
        ]
    )
