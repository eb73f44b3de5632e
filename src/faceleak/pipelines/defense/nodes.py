"""Defence: the target → variants → views of every attacker; what follows are the nodes of the other pipelines."""

from typing import Any

import pandas as pd

from faceleak.backbones.target_options import TargetOptions
from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.options import MembershipOptions


def make_variants(
    target: Any,
    store: FaceStore,
    splits: pd.DataFrame,
    training: TargetOptions,
    options: DefenseOptions,
    compute: ComputeOptions,
) -> dict[str, Any]:
    """The target itself and every configured variant of it, by name; those that are there already are kept."""
    from faceleak.defenses import pieces
    from faceleak.defenses.owner import Owner
    from faceleak.pipelines.target.nodes import target_pieces

    trained = target_pieces(store, splits, training, compute)
    public = with_role(splits, "public")[["image_id", "identity", "sha256"]]
    owner = Owner(target, trained[0] if trained else None, store, public, compute)
    return {UNDEFENDED: target, **pieces.make_variants(owner, options.variants, compute)}


def make_views(
    variants: dict[str, Any], store: FaceStore, splits: pd.DataFrame, options: DefenseOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """Every variant as it is released and, where an adaptive attacker takes part, with its defence undone."""
    from faceleak.defenses import pieces, registry
    from faceleak.defenses.owner import OwnFaces

    if "adaptive" not in options.attackers:
        return variants
    images = with_role(splits, "auxiliary")[["image_id", "identity", "sha256"]]
    images = images.sample(min(options.undoing_images, len(images)), random_state=0)
    tried = {variant.name: registry.get(variant.defense).UNDOINGS for variant in options.variants}
    return pieces.make_views(
        variants, {UNDEFENDED: ("bn_reestimation",), **tried}, OwnFaces(store, images, compute), compute
    )


def check_claims(variants: dict[str, Any], scores: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Set measured ε beside proven ε, for variants whose card proves one for the backbone. Raises BrokenClaimError."""
    from faceleak.metrics.privacy_claims import measure_claims

    proofs = {name: backbone.card.training.get("privacy", {}) for name, backbone in variants.items()}
    claims = [
        {"variant": name} | {key: proof[key] for key in ("unit", "epsilon", "delta")}
        for name, proof in proofs.items()
        if proof.get("about") == "backbone"
    ]
    table = pd.DataFrame(claims, columns=["variant", "unit", "epsilon", "delta"])
    return measure_claims(table, scores, options.aggregation)


def collect_points(
    utility: dict[str, dict[str, Any]],
    membership: dict[str, dict[str, Any]],
    scores: pd.DataFrame,
    options: DefenseOptions,
    attacks: MembershipOptions,
) -> pd.DataFrame:
    """One row a variant, access and attacker: utility, and the strongest attack on unseen identities."""
    from faceleak.membership.access import access_of
    from faceleak.membership.attackers import variant_and_undoing
    from faceleak.reporting.privacy_points import collect

    access = {name: access_of(attack) for name, attack in attacks.attacks.items()}
    undoings = scores.drop_duplicates(["variant", "attacker", "attack", "threat_model"])
    undoings = undoings.assign(undoing=[variant_and_undoing(view)[1] for view in undoings["view"]])
    return collect(utility, membership, options.attackers, access, undoings)


def draw_privacy_utility(points: pd.DataFrame, options: DefenseOptions) -> tuple[Any, str, str]:
    """Privacy against utility as a picture and as a page to look around in, and what it recommends, in words."""
    from faceleak.reporting.privacy_utility import privacy_utility_figure
    from faceleak.reporting.privacy_utility_page import privacy_utility_page
    from faceleak.reporting.recommendation import recommend

    return privacy_utility_figure(points), privacy_utility_page(points), recommend(points, options.goal)
