"""Training everything that the attack needs side by side, instead of one backbone after the other."""

import pandas as pd

from faceleak.auditing.kinds import Backbone, TrainingTask
from faceleak.auditing.membership import reference_tasks
from faceleak.auditing.target import load_target, target_tasks, tell_faults
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.trees import Metrics
from faceleak.faces.store import FaceStore
from faceleak.membership.options import MembershipOptions
from faceleak.pipelines.reconstruction.nodes import evaluator_tasks, with_loaded
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.work.compute import ComputeOptions

Trained = dict[str, dict[str, Backbone]]  # kind → name → backbone


def train_together(
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    target: TargetOptions,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
) -> tuple[Backbone, Trained]:
    """Return the target, and what was trained together with it as tasks that share the cores: kind → name → backbone.

    Beside a loaded one nothing is trained: it is looked at first.
    """
    own = target_tasks(store, splits, target, compute)
    if not own:
        return load_target(splits, target), {}
    trained = _train(
        {
            "evaluators": evaluator_tasks(store, splits, reconstruction, compute),
            "target": own,
            "references": reference_tasks(store, reference_splits, membership, compute),
        },
        compute,
    )
    return trained.pop("target")["target"], trained


def train_others(
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
    trained_together: Trained,
    *waited_for: Metrics,  # noqa: ARG001
) -> tuple[dict[str, Backbone], dict[str, Backbone]]:
    """Return references and evaluators, trained side by side unless they were trained together with the target.

    waited_for: what has to be known of the target before.
    """
    trained = trained_together or _train(
        {
            "evaluators": evaluator_tasks(store, splits, reconstruction, compute),
            "references": reference_tasks(store, reference_splits, membership, compute),
        },
        compute,
    )
    return tell_faults(trained["references"]), tell_faults(with_loaded(trained["evaluators"], reconstruction))


def _train(kinds: dict[str, list[TrainingTask]], compute: ComputeOptions) -> Trained:
    """Train the tasks of all kinds as one list: kind → name → backbone."""
    from faceleak.backbones.training import train_backbones

    trained = iter(train_backbones([task for tasks in kinds.values() for task in tasks], compute))
    return {kind: {task.name: next(trained) for task in tasks} for kind, tasks in kinds.items()}
