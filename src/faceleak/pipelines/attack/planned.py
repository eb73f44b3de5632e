"""What the nodes of `attack` that train backbones side by side would do, for a plan."""

import pandas as pd

from faceleak.auditing.planned import plan_references, plan_target
from faceleak.pipelines.attack import nodes
from faceleak.pipelines.reconstruction.planned import plan_evaluators
from faceleak.planning.tasks import Tasks
from faceleak.planning.work import Planned


def plan_together(plan: Tasks, reference_splits: pd.DataFrame) -> Planned:
    """Evaluators, target and references; beside a target that is loaded, nothing."""
    if plan.options.target.source != "train":
        return plan_target(plan)
    matchers, own, references = plan_evaluators(plan), plan_target(plan), plan_references(plan, reference_splits)
    return Planned([*matchers.works, *own.works, *references.works], own.outputs)


def plan_others(plan: Tasks, reference_splits: pd.DataFrame) -> Planned:
    """Those of the references and evaluators that were not trained together with the target."""
    matchers, references = plan_evaluators(plan), plan_references(plan, reference_splits)
    return Planned([*matchers.works, *references.works], (*references.outputs, *matchers.outputs))


PLANNED = {nodes.train_together: plan_together, nodes.train_others: plan_others}
