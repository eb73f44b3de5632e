"""Evaluators, which judge whose face a reconstruction shows, and the people they know."""

from typing import Any

import pandas as pd

from faceleak.auditing.target import tell_faults
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.stacking import stack
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.work.compute import ComputeOptions


def evaluator_tasks(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> list[Any]:
    """What has to be trained for the evaluators: a task each.

    Independent ones learn members by images that the target was not trained on, the others by those it was; all learn
    the same control people.
    """
    from faceleak.backbones.training import TrainingTask

    return [
        TrainingTask(
            name,
            store,
            with_role(splits, "same_identity" if evaluator.independent else "member", "unseen_identity"),
            evaluator.training,
            compute,
            compute.cache / "backbones",
        )
        for name, evaluator in options.evaluators.items()
        if evaluator.training is not None
    ]


def train_evaluators(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """Train or load the evaluators, in the order of the configuration; those that are there already are kept."""
    from faceleak.backbones.training import train_backbones

    tasks = evaluator_tasks(store, splits, options, compute)
    trained = dict(zip([task.name for task in tasks], train_backbones(tasks, compute), strict=True))
    return tell_faults(with_loaded(trained, options))


def with_loaded(trained: dict[str, Any], options: ReconstructionOptions) -> dict[str, Any]:
    """The evaluators that were trained and, loaded here, those from outside, in the order of the configuration."""
    from faceleak.backbones.loading import load_checkpoint

    return {
        name: trained[name]
        if evaluator.load is None
        else load_checkpoint(evaluator.load.card(), evaluator.load.weights, evaluator.load.sha256)
        for name, evaluator in options.evaluators.items()
    }


def embed_people(
    evaluators: dict[str, Any], store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions
) -> pd.DataFrame:
    """Embed the people that reconstructions are compared with, and non-members for the threshold, by each evaluator."""
    from faceleak.backbones.embedding import embed

    images = with_role(splits, "member", "same_identity", "unseen_identity", "public")
    tables = {
        name: images.assign(embedding=list(embed(evaluator, store, images["image_id"], compute)))
        for name, evaluator in evaluators.items()
    }
    return stack(tables, "evaluator")
