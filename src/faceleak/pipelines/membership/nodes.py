"""Membership inference: reference backbones, signals, attacks, scores, metrics and figures."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.faces.store import FaceStore
from faceleak.membership import references
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions, ThreatModel
from faceleak.metrics.options import BootstrapOptions


def split_references(splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Draw who is a member of which reference backbone."""
    return references.split_references(splits, options.references)


def reference_pieces(
    store: FaceStore, reference_splits: pd.DataFrame, options: MembershipOptions, compute: ComputeOptions
) -> list[Any]:
    """What has to be trained for the references: a piece each, with a seed of its own."""
    from faceleak.backbones.training import TrainingPiece

    training = options.references.training
    members = reference_splits[reference_splits["is_member"]]
    return [
        TrainingPiece(
            str(name),
            store,
            images,
            training.model_copy(update={"seed": training.seed + number}),
            compute,
            compute.cache / "backbones",
        )
        for number, (name, images) in enumerate(members.groupby("reference", sort=True))
    ]


def train_references(
    store: FaceStore, reference_splits: pd.DataFrame, options: MembershipOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """Train the reference backbones, in parallel where there are cores; those that are there already are kept."""
    from faceleak.backbones.training import train_backbones

    pieces = reference_pieces(store, reference_splits, options, compute)
    return dict(zip([piece.name for piece in pieces], train_backbones(pieces, compute), strict=True))


def read_reference_signals(
    trained: dict[str, Any],
    store: FaceStore,
    reference_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the attacks need off every reference, for its own members and non-members."""
    from faceleak.signals.reading import read_signals

    tables = []
    for name, images in reference_splits.groupby("reference", sort=True):
        signals = read_signals(options.signals(), trained[str(name)], store, images["image_id"], compute)
        tables.append(images.merge(signals, on="image_id", validate="one_to_one"))
    return pd.concat(tables, ignore_index=True)


def read_blind_signals(
    trained: dict[str, Any],
    store: FaceStore,
    splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the blind baseline may see: the images, and reference backbones that know none of these people."""
    from faceleak.signals.reading import read_signals

    image_ids = with_role(splits, *EVALUATED_ROLES)["image_id"]
    first, *others = list(trained.values())
    blind = read_signals(options.blind.signals, first, store, image_ids, compute)
    for number, backbone in enumerate([first, *others][: options.blind.references]):
        signals = read_signals(options.blind.reference_signals, backbone, store, image_ids, compute)
        named = signals.add_prefix(f"{references.reference_name(number)}.").drop(
            columns=f"{references.reference_name(number)}.image_id"
        )
        blind = pd.concat([blind, named], axis=1)
    return blind


def read_view_signals(
    views: dict[str, Any],
    store: FaceStore,
    splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the attacks need off every view of a variant: view, image_id, one column a number."""
    from faceleak.signals.reading import read_signals

    image_ids = with_role(splits, *EVALUATED_ROLES)["image_id"]
    tables = {
        view: read_signals(options.signals(), backbone, store, image_ids, compute) for view, backbone in views.items()
    }
    return pd.concat(tables, names=["view", None]).reset_index("view").reset_index(drop=True)


def fit_attacks(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    splits: pd.DataFrame,
    options: MembershipOptions,
    threat_models: list[ThreatModel],
) -> Any:
    """Fit every attack on what its threat model allows."""
    from faceleak.membership import scoring

    return scoring.fit_attacks(signals, reference_signals, splits, options.attacks, threat_models)


def score_images(
    signals: pd.DataFrame, models: Any, splits: pd.DataFrame, attackers: list[AttackerName]
) -> pd.DataFrame:
    """Score the images that no attacker knows."""
    from faceleak.membership import scoring

    return scoring.score_images(signals, models, splits, attackers)


def score_blind(blind_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Fit and score the blind baseline."""
    from faceleak.membership import scoring

    return scoring.score_blind(blind_signals, splits, options)


def measure_membership(
    scores: pd.DataFrame, blind_scores: pd.DataFrame, bootstrap: BootstrapOptions
) -> dict[str, dict[str, Any]]:
    """Measure every attack, and the blind baseline once for each variant: variant → membership → attack → …"""
    from faceleak.membership.attackers import encounter
    from faceleak.membership.scoring import BLIND, model_name
    from faceleak.metrics import membership

    blind = membership.measure_membership(blind_scores, None, bootstrap)
    metrics: dict[str, dict[str, Any]] = {}
    keys = ["variant", "attacker", "threat_model", "attack"]
    groups: dict[Any, pd.DataFrame] = dict(tuple(scores.groupby(keys, sort=False)))
    for (variant, attacker, threat_model, attack), rows in groups.items():
        measured = metrics.setdefault(variant, {"membership": {model_name(BLIND, "partial_knowledge"): blind}})
        name = model_name(attack, threat_model) + encounter(variant, attacker).suffix
        measured["membership"][name] = membership.measure_membership(rows, blind_scores, bootstrap)
    return metrics


def draw_roc(scores: pd.DataFrame, blind_scores: pd.DataFrame) -> Any:
    """ROC curves on log-log axes."""
    from faceleak.reporting.roc import roc_figure

    return roc_figure(scores, blind_scores)


def draw_histograms(signals: pd.DataFrame, splits: pd.DataFrame) -> Any:
    """Distances of members and non-members, layer by layer."""
    from faceleak.reporting.histograms import distance_histograms

    return distance_histograms(signals, splits)


def list_roc_points(scores: pd.DataFrame, blind_scores: pd.DataFrame) -> pd.DataFrame:
    """ROC curves as a table, for `dvc plots`."""
    from faceleak.reporting.roc_points import roc_points

    return roc_points(pd.concat([scores, blind_scores]))
