"""Which pieces of the `defense` pipeline are in the cache."""

from collections import Counter
from typing import Any

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone
from faceleak.defenses import pieces, public_start
from faceleak.defenses.undoing import registry as undoings
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED, undone_view, variant_and_undoing
from faceleak.pipelines.defense.nodes import own_faces, owner_of, undoings_tried
from faceleak.pipelines.plan.there_searched import searches
from faceleak.planning.configured import Audit
from faceleak.planning.defense_work import trains_of_its_own
from faceleak.signals.readable import readable
from faceleak.signals.reading import readers_of, signal_paths

Found = Counter[tuple[str, str]]


def find_defended(
    audit: Audit,
    target: Backbone,
    references: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
) -> Found:
    """Kinds of `defense` → how many pieces are there. What shadows take is not looked for."""
    found: Found = Counter()
    owner = owner_of(target, store, splits, audit.target, audit.compute)
    if owner.training is not None:
        (start,) = public_start.pieces(owner, public_start.Settings(), seed=0)
        found["defense", "public start"] = (start.folder / CARD).exists()
    variants = {options.name: pieces.VariantPiece(owner, options) for options in audit.defense.variants}
    made = {name: piece for name, piece in variants.items() if (piece.folder / CARD).exists()}
    for piece in made.values():
        kind = "variants that are trained" if trains_of_its_own(audit, piece.options) else "variants that are not"
        found["defense", kind] += 1
    released = {UNDEFENDED: target, **{name: load_backbone(piece.folder) for name, piece in made.items()}}
    own = own_faces(store, with_role(splits, "auxiliary"), audit.defense, audit.compute)
    tried = {name: tries for name, tries in undoings_tried(audit.defense).items() if name in released}
    views = _views(found, released, tried, own)
    found["defense", "signals of views"] = sum(
        _is_read(audit, backbone, store, splits) for view, backbone in views.items() if view != UNDEFENDED
    )
    everything = len(audit.defense.variants) + sum(map(len, undoings_tried(audit.defense).values()))
    if found["defense", "signals of views"] == everything and len(references) == audit.membership.references.count:
        attackers, rounds = audit.defense.reconstruction_attackers, audit.defense.reconstruction_rounds
        drawn = searches(audit, views, references, store, splits, reference_splits, attackers, rounds)
        there = sum(piece.path.exists() for piece in drawn)
        found["defense", "reconstruction searches"] = there + (there == len(drawn))  # the one guided by nothing
    return found


def _views(found: Found, released: dict[str, Backbone], tried: dict[str, Any], own: Any) -> dict[str, Backbone]:
    """The views that are there; those that are never kept are made, once all others are."""
    wanted = {
        undone_view(name, undoing): pieces.ViewPiece(released[name], undoing, own)
        for name, of_variant in tried.items()
        for undoing in of_variant
    }
    kept = {view: piece for view, piece in wanted.items() if undoings.get(piece.undoing).IS_A_BACKBONE}
    there = {view: piece for view, piece in kept.items() if (piece.folder / CARD).exists()}
    for view in there:
        found["defense", f"views by {variant_and_undoing(view)[1]}"] += 1
    if len(there) < len(kept):
        return {**released, **{view: load_backbone(piece.folder) for view, piece in there.items()}}
    return {**released, **pieces.undo_all(wanted, own.compute)}


def _is_read(audit: Audit, backbone: Backbone, store: FaceStore, splits: pd.DataFrame) -> bool:
    names = readable(audit.membership.signals(), backbone)
    images, network = with_role(splits, *EVALUATED_ROLES), backbone.network_hash()
    paths = signal_paths(readers_of(names), network, store, images, audit.compute)
    return all(path.exists() for of_shards in paths.values() for path in of_shards)
