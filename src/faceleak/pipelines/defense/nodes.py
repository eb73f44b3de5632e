"""Defense: the target → variants → views of every attacker; what follows are the nodes of the other pipelines."""

import pandas as pd

from faceleak.auditing.kinds import Attacks, Backbone, Figure
from faceleak.auditing.membership import anchors, reference_tasks
from faceleak.backbones.target_options import TargetOptions
from faceleak.bypasses import OwnFaces
from faceleak.common.trees import Metrics, Tree
from faceleak.defenses.options import DefenseOptions
from faceleak.defenses.owner import Owner
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED, View
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import stack
from faceleak.work.compute import ComputeOptions

IMAGE = ["image_id", "identity", "sha256"]


def make_variants(
    target: Backbone,
    store: FaceStore,
    splits: pd.DataFrame,
    training: TargetOptions,
    options: DefenseOptions,
    compute: ComputeOptions,
) -> dict[str, Backbone]:
    """The target itself and every configured variant of it, by name; those that are there already are kept."""
    from faceleak.defenses import tasks

    owner = owner_of(target, store, splits, training, compute)
    return {UNDEFENDED: target, **tasks.make_variants(owner, options.variants, compute)}


def owner_of(
    target: Backbone, store: FaceStore, splits: pd.DataFrame, training: TargetOptions, compute: ComputeOptions
) -> Owner:
    """Who releases the target, with the task that it was trained as, if it was trained here.

    Raises StaleTargetError.
    """
    from faceleak.auditing.target import check_trained_on_members, target_tasks

    trained = target_tasks(store, splits, training, compute)
    check_trained_on_members(target, trained)
    return Owner(target, trained[0] if trained else None, store, with_role(splits, "public")[IMAGE], compute)


def list_variants(options: DefenseOptions) -> dict[str, Tree]:
    """What each variant is: its defense, with all settings, and its seed."""
    listed = {
        variant.name: {
            "defense": variant.defense,
            "seed": variant.seed,
            **variant.checked_settings().model_dump(mode="json"),
        }
        for variant in options.variants
    }
    return {UNDEFENDED: {"defense": "none"}, **listed}


def make_views(
    variants: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    options: DefenseOptions,
    compute: ComputeOptions,
) -> dict[View, Backbone]:
    """Every variant as it is released and, where an adaptive attacker takes part, with its defense bypassed."""
    from faceleak.defenses import tasks

    own = own_faces(store, with_role(splits, "auxiliary"), options, compute)
    return tasks.make_views(variants, bypasses_tried(options), own, compute)


def fit_shadows(
    references: dict[str, Backbone],
    reference_signals: pd.DataFrame,
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    membership: MembershipOptions,
    options: DefenseOptions,
    compute: ComputeOptions,
) -> Attacks:
    """Defend and bypass the references as the target, and fit attacks on what they show: view → attack → fitted.

    Nothing is defended, and nothing fitted, without the threat model `shadow` or an attacker who knows of the defense.
    """
    from faceleak.defenses.shadows import shadow_views
    from faceleak.membership.fitting import fit_on_shadows
    from faceleak.membership.references import images_to_read
    from faceleak.signals.readable import readable
    from faceleak.signals.reading import read_signals

    if "shadow" not in options.threat_models or set(options.attackers) == {"static"}:
        return {}
    owners = _owners_of_references(references, store, splits, reference_splits, membership, compute)
    read = images_to_read(reference_splits, membership.references)
    images = {str(name): rows for name, rows in read.groupby("reference", sort=False)}
    tried, own = bypasses_tried(options), own_faces(store, with_role(splits, "public"), options, compute)
    attacks, names = membership.offline_attacks(), membership.signals()
    fitted = {}
    for view, backbones in shadow_views(owners, options.variants, tried, own, compute):
        tables = {
            name: read_signals(readable(names, backbone), backbone, store, images[name], compute, anchors(splits))
            for name, backbone in backbones.items()
        }
        several = bool(tried.get(view.variant))
        shown = stack(tables, "reference")
        fitted[view.name] = fit_on_shadows(view, shown, reference_signals, attacks, several, compute.cache)
    return fitted


def _owners_of_references(
    references: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    membership: MembershipOptions,
    compute: ComputeOptions,
) -> dict[str, Owner]:
    trained = reference_tasks(store, reference_splits, membership, compute)
    public = with_role(splits, "public")[IMAGE]
    return {task.name: Owner(references[task.name], task, store, public, compute) for task in trained}


def own_faces(store: FaceStore, images: pd.DataFrame, options: DefenseOptions, compute: ComputeOptions) -> OwnFaces:
    """As many of these faces as bypass takes."""
    return OwnFaces(store, images[IMAGE].sample(min(options.bypass_images, len(images)), random_state=0), compute)


def bypasses_tried(options: DefenseOptions) -> dict[str, tuple[str, ...]]:
    """Variant → the bypasses that an adaptive attacker tries; none where there is no such attacker."""
    from faceleak.defenses import registry

    if "adaptive" not in options.attackers:
        return {}
    tried = {variant.name: registry.get(variant.defense).BYPASSES for variant in options.variants}
    return {UNDEFENDED: ("bn_reestimation",), **tried}


def check_claims(variants: dict[str, Backbone], scores: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Set measured ε beside proven ε, for variants whose card proves one for the backbone. Raises BrokenClaimError.

    The proof is about the backbone, so attacks that take the classification head say nothing of it.
    """
    from faceleak.membership.views import upper_bounds
    from faceleak.metrics.epsilon import measure_claims

    proofs = {name: backbone.card.training.get("privacy", {}) for name, backbone in variants.items()}
    claims = [
        {"variant": name} | {key: proof[key] for key in ("unit", "epsilon", "delta")}
        for name, proof in proofs.items()
        if proof.get("about") == "backbone"
    ]
    table = pd.DataFrame(claims, columns=["variant", "unit", "epsilon", "delta"])
    of_backbone = scores[~scores["attack"].isin(upper_bounds(options.attacks))]
    return measure_claims(table, of_backbone, options.aggregation)


def collect_points(
    utility: Metrics,
    membership: Metrics,
    scores: pd.DataFrame,
    options: DefenseOptions,
    attacks: MembershipOptions,
) -> tuple[pd.DataFrame, Metrics]:
    """One row a variant, access and attacker: utility, and the strongest attack on unseen identities.

    The same as a tree, variant → strongest → access → attacker → metric.
    """
    from faceleak.membership.views import access_of
    from faceleak.reporting.privacy_points import as_tree, collect

    access = {name: access_of(attack) for name, attack in attacks.attacks.items()}
    bypasses = scores.drop_duplicates(["variant", "attacker", "attack", "threat_model"])
    points = collect(utility, membership, options.attackers, access, bypasses)
    return points, as_tree(points)


def draw_privacy_utility(points: pd.DataFrame, options: DefenseOptions) -> tuple[Figure, str, str]:
    """Privacy against utility as a picture and as a page to look around in, and what it recommends, in words."""
    from faceleak.reporting.privacy_utility import privacy_utility_figure, privacy_utility_page
    from faceleak.reporting.recommendation import recommend

    return privacy_utility_figure(points), privacy_utility_page(points), recommend(points, options.goal).markdown()
