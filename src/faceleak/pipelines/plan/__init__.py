"""The `plan` pipeline."""

from kedro.pipeline import Node, Pipeline

from faceleak.pipelines.plan.nodes import plan_audit

OPTIONS = ("faces", "target", "membership", "attackers", "reconstruction", "defense", "bootstrap", "compute", "plan")


def create_pipeline() -> Pipeline:
    """What the configured audit will cost."""
    inputs = ["packed_faces", *(f"params:{name}" for name in OPTIONS)]
    return Pipeline([Node(plan_audit, inputs, "plan", name="plan_audit")])
