"""The `reporting` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.reporting.nodes import summarise, tabulate
from faceleak.trees import merge_metrics


def report_views() -> Pipeline:
    """Results of any views: the target's here, the variants' in the `defense` pipeline."""
    metrics = ["utility_metrics", "membership_metrics", "reconstruction_metrics"]
    return Pipeline(
        [
            Node(merge_metrics, metrics, "results", name="merge_results"),
            Node(summarise, "results", "summary", name="summarise_results"),
            Node(tabulate, "results", "results_table", name="tabulate_results"),
        ]
    )


def create_pipeline() -> Pipeline:
    """Results of the attack on the target."""
    return report_views()
