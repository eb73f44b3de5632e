"""The `erasure` pipeline: were people forgotten? After `target`, or `attack`."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.erasure import nodes


def create_pipeline() -> Pipeline:
    """Draws of people, backbones without them, scores of everybody, what is still found, and at what cost."""
    options, training, compute = "params:erasure", "params:target", "params:compute"
    bootstrap = "params:bootstrap"
    faces = ["face_store", "splits", "erased_people"]
    return Pipeline(
        [
            Node(nodes.draw_erased, ["splits", options], "erased_people", name="draw_erased"),
            Node(
                nodes.erase_people,
                ["target", *faces, training, options, compute],
                "erased_backbones",
                name="erase_people",
            ),
            Node(
                nodes.score_erasures,
                ["target", "erased_backbones", *faces, options, compute],
                "erasure_scores",
                name="score_erasures",
            ),
            Node(
                nodes.measure_cost,
                ["target", "erased_backbones", *faces, training, bootstrap, compute],
                "erasure_cost",
                name="measure_cost_of_erasure",
            ),
            Node(
                nodes.measure_erasure,
                ["erasure_scores", "erasure_cost", options, bootstrap],
                ["erasure_metrics", "erasure_verdicts", "erasure_table"],
                name="measure_erasure",
            ),
            Node(nodes.draw_erasure, "erasure_metrics", "erasure_figure", name="draw_erasure"),
        ]
    )
