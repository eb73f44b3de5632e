"""Training everything that the attack needs side by side, instead of one backbone after the other."""

from typing import Any

import pandas as pd

from faceleak.backbones.target_options import TargetOptions
from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore
from faceleak.membership.options import MembershipOptions
from faceleak.pipelines.membership.nodes import reference_pieces, train_references
from faceleak.pipelines.reconstruction.judges import evaluator_pieces, train_evaluators
from faceleak.pipelines.target.nodes import get_target, target_pieces
from faceleak.reconstruction.options import ReconstructionOptions


def train_together(
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    target: TargetOptions,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
) -> Any:
    """Return the target, trained together with evaluators and references as pieces that share the cores, or loaded.

    Beside a loaded one nothing is trained: it is looked at first.
    """
    from faceleak.backbones.training import train_backbones

    if own := target_pieces(store, splits, target, compute):
        judges = evaluator_pieces(store, splits, reconstruction, compute)
        train_backbones([*judges, *own, *reference_pieces(store, reference_splits, membership, compute)], compute)
    return get_target(store, splits, target, compute)


def train_others(
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
    *waited_for: Any,  # noqa: ARG001
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return references and evaluators, trained side by side unless they were trained together with the target.

    waited_for: what has to be known of the target before.
    """
    from faceleak.backbones.training import train_backbones

    judges = evaluator_pieces(store, splits, reconstruction, compute)
    train_backbones([*judges, *reference_pieces(store, reference_splits, membership, compute)], compute)
    return (
        train_references(store, reference_splits, membership, compute),
        train_evaluators(store, splits, reconstruction, compute),
    )
