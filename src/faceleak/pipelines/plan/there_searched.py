"""Whether searches of stage 2 are in the cache: their names hold what the attack has learnt, which is fitted for it."""

from typing import Any

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED, AttackerName
from faceleak.pipelines.membership import nodes as membership
from faceleak.pipelines.reconstruction.nodes import reconstruction_pieces
from faceleak.planning.configured import Audit


def search_is_there(
    audit: Audit,
    target: Backbone,
    references: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
) -> bool:
    """Whether the target has been searched by all who attack it undefended."""
    attackers, rounds = audit.reconstruction.attackers, audit.reconstruction.search.rounds
    views: dict[str, Any] = {UNDEFENDED: target}
    pieces = searches(audit, views, references, store, splits, reference_splits, attackers, rounds)
    return all(piece.path.exists() for piece in pieces)


def searches(
    audit: Audit,
    views: dict[str, Any],
    references: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    attackers: list[AttackerName],
    rounds: int,
) -> list[Any]:
    """Every search of these views. Signals that are not in the cache are read."""
    search, compute = audit.reconstruction.search, audit.compute
    one = {search.attack: audit.membership.attacks[search.attack]}
    options = audit.membership.model_copy(update={"attacks": one})
    tables = (
        membership.read_view_signals(views, store, splits, options, compute),
        membership.read_reference_signals(references, store, splits, reference_splits, options, compute),
        membership.read_calibration_signals(references, store, splits, options, compute),
    )
    models = membership.fit_attacks(*tables, splits, options, [search.threat_model], compute)
    return reconstruction_pieces(
        views, references, models, audit.reconstruction, audit.membership, attackers, rounds, compute
    )
