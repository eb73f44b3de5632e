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
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Train evaluators, target and references as pieces that share the cores; return target, references, evaluators."""
    from faceleak.backbones.training import train_backbones

    pieces = [
        *evaluator_pieces(store, splits, reconstruction, compute),
        *target_pieces(store, splits, target, compute),
        *reference_pieces(store, reference_splits, membership, compute),
    ]
    train_backbones(pieces, compute)
    return (
        get_target(store, splits, target, compute),
        train_references(store, reference_splits, membership, compute),
        train_evaluators(store, splits, reconstruction, compute),
    )
