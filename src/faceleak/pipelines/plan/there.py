"""Which pieces of the configured audit are in the cache, by the very names under which the pipelines keep them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone
from faceleak.backbones.training_piece import TrainingPiece
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.faces.store import FaceStore
from faceleak.membership import repeats
from faceleak.membership.references import images_to_read
from faceleak.membership.stacking import parts
from faceleak.pipelines.membership.nodes import anchors, reference_pieces, split_references
from faceleak.pipelines.plan.there_defended import find_defended
from faceleak.pipelines.plan.there_searched import search_is_there
from faceleak.pipelines.reconstruction.judges import evaluator_pieces
from faceleak.pipelines.repeats.nodes import repeated_pieces
from faceleak.pipelines.target.nodes import get_target, target_pieces
from faceleak.planning.configured import Audit
from faceleak.signals.reading import readers_of, signal_paths

Found = Counter[tuple[str, str]]


def find_pieces(audit: Audit, store: FaceStore, splits: pd.DataFrame) -> Found:
    """Pipeline and kind → how many pieces are there; kinds that the cache does not keep are left out."""
    found: Found = Counter({("faces", "faces in the store"): len(store)})
    reference_splits = split_references(splits, audit.membership)
    target = _target(audit, store, splits)
    references = _there(reference_pieces(store, reference_splits, audit.membership, audit.compute))
    for piece in evaluator_pieces(store, splits, audit.reconstruction, audit.compute):
        found["attack", f"evaluator {piece.name}"] += is_there(piece)
    found["attack", "reference backbones"] = len(references)
    read = images_to_read(reference_splits, audit.membership.references)
    found["attack", "signals of references"] = sum(
        are_read(audit, backbone, store, read[read["reference"] == name], splits)
        for name, backbone in references.items()
    )
    evaluated, calibrating = with_role(splits, *EVALUATED_ROLES), audit.membership.signals_of_references()
    found["attack", "references on the target's images"] = sum(
        _paths_exist(audit, calibrating, backbone, store, evaluated) for backbone in references.values()
    )
    found += _find_repeats(audit, store, splits, references)
    if target is None:
        return found
    found["attack", "target"] = audit.target.source == "train"
    found["attack", "signals of the target"] = are_read(audit, target, store, evaluated, splits)
    complete = len(references) == audit.membership.references.count
    if complete and search_is_there(audit, target, references, store, splits, reference_splits):
        found["attack", "reconstruction searches"] = len(audit.reconstruction.attackers) + 1
    return found + find_defended(audit, target, references, store, splits, reference_splits)


def is_there(piece: TrainingPiece) -> bool:
    """Whether a backbone has been trained."""
    return (piece.folder / CARD).exists()


def are_read(audit: Audit, backbone: Backbone, store: FaceStore, images: pd.DataFrame, splits: pd.DataFrame) -> bool:
    """Whether all signals of these images and the anchors' embeddings are in the cache."""
    names = audit.membership.signals()
    return _paths_exist(audit, names, backbone, store, images) and _paths_exist(
        audit, ["embedding"], backbone, store, anchors(splits)
    )


def _paths_exist(audit: Audit, names: list[str], backbone: Backbone, store: FaceStore, images: pd.DataFrame) -> bool:
    network = backbone.network_hash()
    paths: dict[str, list[Path]] = signal_paths(readers_of(names), network, store, images, audit.compute)
    return all(path.exists() for of_shards in paths.values() for path in of_shards)


def _there(pieces: list[Any]) -> dict[str, Backbone]:
    return {piece.name: load_backbone(piece.folder) for piece in pieces if is_there(piece)}


def _target(audit: Audit, store: FaceStore, splits: pd.DataFrame) -> Backbone | None:
    """The target, where it can be had without training."""
    pieces = target_pieces(store, splits, audit.target, audit.compute)
    if all(is_there(piece) for piece in pieces):
        target: Backbone = get_target(store, splits, audit.target, audit.compute)
        return target
    return None


def _find_repeats(audit: Audit, store: FaceStore, splits: pd.DataFrame, references: dict[str, Backbone]) -> Found:
    found: Found = Counter()
    if audit.target.train is None or audit.target.source != "train":
        return found
    drawn = repeats.draw_targets(store.manifest(), splits, audit.faces.splits, audit.membership.targets)
    others = {name: images for name, images in parts(drawn, "target").items() if name != repeats.target_name(0)}
    pieces = repeated_pieces(store, drawn, audit.target, audit.compute)
    trained = _there([piece for piece in pieces if piece.name in others])
    found["repeats", "repeated targets"] = len(trained)
    found["repeats", "signals of repeated targets"] = sum(
        are_read(audit, backbone, store, others[name], splits) for name, backbone in trained.items()
    )
    everything, names = drawn.drop_duplicates("image_id"), audit.membership.signals_of_references()
    found["repeats", "references on repeated targets' images"] = sum(
        _paths_exist(audit, names, backbone, store, everything) for backbone in references.values()
    )
    return found
