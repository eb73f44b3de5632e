"""The `defense` pipeline: variants of the target through the same nodes as the target itself."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.defense import nodes
from faceleak.pipelines.membership import attack_views
from faceleak.pipelines.reconstruction.pipeline import reconstruct_views
from faceleak.pipelines.report import report_views
from faceleak.pipelines.target import measure_views

SHARED = {
    "target",
    "face_store",
    "splits",
    "reference_splits",
    "references",
    "reference_signals",
    "calibration_signals",
    "blind_scores",
    "evaluators",
    "people_embeddings",
}
OPTIONS = ("compute", "bootstrap", "target", "membership", "reconstruction", "defense")


def create_pipeline() -> Pipeline:
    """Variants, their views, every attacker against each, and the figure of privacy against utility."""
    options, compute = "params:defense", "params:compute"
    own = Pipeline(
        [
            Node(
                nodes.make_variants,
                ["target", "face_store", "splits", "params:target", options, compute],
                "variants",
                name="make_variants",
            ),
            Node(nodes.list_variants, options, "variant_settings", name="list_variants"),
            Node(nodes.make_views, ["variants", "face_store", "splits", options, compute], "views", name="make_views"),
            Node(
                nodes.fit_shadows,
                [
                    "references",
                    "reference_signals",
                    "face_store",
                    "splits",
                    "reference_splits",
                    "params:membership",
                    options,
                    compute,
                ],
                "shadow_models",
                name="fit_shadows",
            ),
            Node(nodes.check_claims, ["variants", "scores", "params:membership"], "claims", name="check_claims"),
            Node(
                nodes.collect_points,
                ["utility_metrics", "membership_metrics", "scores", options, "params:membership"],
                ["privacy_utility_points", "strongest_metrics"],
                name="collect_points",
            ),
            Node(
                nodes.draw_privacy_utility,
                ["privacy_utility_points", options],
                ["privacy_utility_figure", "privacy_utility_page", "recommendation"],
                name="draw_privacy_utility",
            ),
        ]
    )
    return Pipeline(
        own + measure_views() + attack_views("shadow_models") + reconstruct_views() + report_views(),
        inputs=SHARED,
        parameters={
            **{f"params:{name}": f"params:{name}" for name in OPTIONS},
            "params:attackers": "params:defense.attackers",
            "params:reconstruction.attackers": "params:defense.reconstruction_attackers",
            "params:reconstruction.search.rounds": "params:defense.reconstruction_rounds",
            "params:membership.threat_models": "params:defense.threat_models",
        },
        namespace="defense",
    )
