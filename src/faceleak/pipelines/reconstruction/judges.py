"""Evaluators, which judge whose face a reconstruction shows, and the people they know."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.stacking import stack
from faceleak.pipelines.target.nodes import tell_faults
from faceleak.reconstruction.options import ReconstructionOptions


def evaluator_pieces(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> list[Any]:
    """What has to be trained for the judges: a piece each.

    Independent ones learn members by images that the target was not trained on, the others by those it was; all learn
    the same control people.
    """
    from faceleak.backbones.training import TrainingPiece

    return [
        TrainingPiece(
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
    """Train or load the judges, in the order of the configuration; those that are there already are kept."""
    from faceleak.backbones.training import train_backbones

    train_backbones(evaluator_pieces(store, splits, options, compute), compute)
    return tell_faults({name: get_evaluator(name, store, splits, options, compute) for name in options.evaluators})


def get_evaluator(
    name: str, store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> Any:
    """Train one judge (once; found again by what it depends on), or load it."""
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.backbones.training import train_backbones

    load = options.evaluators[name].load
    if load is not None:
        return load_checkpoint(load.card(), load.weights, load.sha256)
    pieces = [piece for piece in evaluator_pieces(store, splits, options, compute) if piece.name == name]
    return train_backbones(pieces, compute)[0]


def embed_people(
    evaluators: dict[str, Any], store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions
) -> pd.DataFrame:
    """Embed the people that reconstructions are compared with, and strangers for the threshold, by each evaluator."""
    from faceleak.backbones.embedding import embed

    images = with_role(splits, "member", "same_identity", "unseen_identity", "public")
    tables = {
        name: images.assign(embedding=list(embed(evaluator, store, images["image_id"], compute)))
        for name, evaluator in evaluators.items()
    }
    return stack(tables, "evaluator")
