"""What the nodes of `defense` would do, for a plan: what a defense takes is what its module says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.defenses import registry
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.pieces import VariantPiece, ViewPiece
from faceleak.defenses.shadows import shadows_of
from faceleak.faces.splits import with_role
from faceleak.membership.attackers import UNDEFENDED, View
from faceleak.membership.references import images_to_read
from faceleak.pipelines.defense import nodes
from faceleak.pipelines.membership.nodes import reference_pieces
from faceleak.pipelines.target.nodes import target_pieces
from faceleak.planning.networks import Network, StandIn, network_of
from faceleak.planning.pieces import Pieces, Table, backbone_bytes, is_complete
from faceleak.planning.quantities import fitting, reading, training, training_on
from faceleak.planning.work import Cost, Planned, Work
from faceleak.signals.readable import readable
from faceleak.undoing import OwnFaces
from faceleak.undoing import registry as undoings


def plan_variants(plan: Pieces, target: Backbone) -> Planned:
    """A piece for each variant, and what is trained for it."""
    trained = [*target_pieces(plan.store, plan.splits, plan.options.target, plan.compute), None]
    owner = _owner(plan, target, trained[0])
    made = {variant.name: VariantPiece(owner, variant) for variant in plan.options.defense.variants}
    works, backbones = defended(plan, made, "variants")
    return Planned(works, ({UNDEFENDED: target, **backbones},))


def _owner(plan: Pieces, backbone: Backbone, trained: Any) -> Owner:
    store: Any = plan.store
    return Owner(backbone, trained, store, plan.public[nodes.IMAGE], plan.compute)


def defended(plan: Pieces, made: Mapping[str, VariantPiece], who: str) -> tuple[list[Work], dict[str, Backbone]]:
    """Variants, with trainings that several of them share apart; and each of them, or what stands for it.

    One that is trained takes the trainings which its module names as `pieces`, and what its `quantity` says; any other
    one a pass over the public faces.
    """
    trainings = {name: _said(piece, "pieces", piece.options.seed) or [] for name, piece in made.items()}
    asked = Counter(one.path for of_piece in trainings.values() for one in of_piece)
    works, backbones = list[Work](), dict[str, Backbone]()
    for name, piece in made.items():
        owner, there = piece.owner, piece.path.exists()
        network = network_of(owner.backbone)
        shared = [one for one in trainings[name] if asked[one.path] > 1 and not (there and not one.path.exists())]
        own = [one for one in trainings[name] if asked[one.path] == 1]
        besides = _said(piece, "quantity") or 0
        for one in shared:
            works += plan.trainings(one.name.replace("_", " "), [one], who)
        costs = [Cost(training(one.options), 0 if one.path.exists() else one.quantity) for one in own]
        if besides:
            target = owner.training
            costs.append(Cost(training_on(network) if target is None else training(target.options), besides))
        kind = f"{who} that are trained" if costs else f"{who} that are not"
        people = 0 if owner.training is None else owner.training.images["identity"].nunique()
        disk = backbone_bytes(owner.backbone, people) * (1.5 if costs else 1)  # the training is kept beside the variant
        takes = costs or [Cost(reading(network), len(owner.public))]
        works.append(Work(kind, 1, tuple(takes), who, there=there, disk=disk))
        last = trainings[name][-1:]
        backbones[name] = plan.backbone(piece, Network.of(last[0].options, None) if last else network)
    return works, backbones


def _said(piece: VariantPiece, what: str, *more: Any) -> Any:
    """What the module of a defense says of a piece; None where it does not, or where making the variant would fail."""
    say = getattr(registry.get(piece.options.defense), what, None)
    try:
        return None if say is None else say(piece.owner, piece.options.checked_settings(), *more)
    except DefenseError:
        return None


def plan_views(plan: Pieces, variants: dict[str, Backbone]) -> Planned:
    """A piece for each undoing that is tried."""
    options, store = plan.options.defense, plan.store
    own = nodes.own_faces(store, with_role(plan.splits, "auxiliary"), options, plan.compute)
    works, views = undone(plan, variants, nodes.undoings_tried(options), own)
    return Planned(works, ({**_released(variants), **views},))


def _released(variants: Mapping[str, Backbone]) -> dict[View, Backbone]:
    return {View(name): released for name, released in variants.items()}


def undone(
    plan: Pieces, variants: Mapping[str, Backbone], tried: Mapping[str, Sequence[str]], own: OwnFaces
) -> tuple[list[Work], dict[View, Backbone]]:
    """Views whose defense is undone: a pass over the attacker's own faces each, and what their `quantity` says."""
    works, views = list[Work](), dict[View, Backbone]()
    for name, released in variants.items():
        network = network_of(released)
        for undoing in undoings.possible(tried.get(name, ()), released):
            module: Any = undoings.get(undoing)
            piece, costs, kept = ViewPiece(released, undoing, own), [Cost(reading(network), len(own.images))], False
            if hasattr(module, "quantity"):
                costs.append(Cost(training_on(network), module.quantity(own)))
            if kept := module.IS_A_BACKBONE:
                view = plan.backbone(piece, network)
            else:
                view = StandIn(network) if isinstance(released, StandIn) else module.undo(released, own)
            there, disk = kept and piece.path.exists(), backbone_bytes(released, 0) / 2 if kept else 0.0
            works.append(Work(f"views by {undoing}", 1, tuple(costs), "views", there=there, kept=kept, disk=disk))
            views[View(name, undoing)] = view
    return works, views


def plan_shadows(
    plan: Pieces, references: dict[str, Backbone], reference_signals: Table, reference_splits: pd.DataFrame
) -> Planned:
    """With `shadow`, each reference is defended, undone and read as each variant, and attacked."""
    options, membership = plan.options.defense, plan.options.membership
    if "shadow" not in options.threat_models or set(options.attackers) == {"static"}:
        return Planned(outputs=({},))
    drawn = reference_pieces(plan.store, reference_splits, membership, plan.compute)
    owners = {piece.name: _owner(plan, references[piece.name], piece) for piece in drawn}
    works, released = list[Work](), {name: {UNDEFENDED: owner.backbone} for name, owner in owners.items()}
    for variant in options.variants:
        made, backbones = defended(plan, shadows_of(variant, owners), "shadows")
        works += made
        for name, backbone in backbones.items():
            released[name][variant.name] = backbone
    read, store = images_to_read(reference_splits, membership.references), plan.store
    own = nodes.own_faces(store, plan.public, options, plan.compute)
    views: dict[View, Backbone] = {}
    for name, variants in released.items():
        made, views = undone(plan, variants, nodes.undoings_tried(options), own)
        views = {**_released(variants), **views}
        images = dict.fromkeys(views, read[read["reference"] == name])
        works += made
        works += plan.readings("signals of shadows", lambda view: readable(membership.signals(), view), images, views)
    there = is_complete(works, views.values())  # fits are looked for by no name, but follow from these
    count, attacks = membership.references.count, membership.offline_attacks().items()
    quantities = [fitting(name, attack, reference_signals.network, count) for name, attack in attacks]
    fits = tuple(Cost(quantity, reference_signals.rows) for quantity in quantities)
    alike = count // len(owners)
    works = [replace(one, pieces=alike * one.pieces, there=alike * one.there, held=alike * one.held) for one in works]
    works.append(Work("attacks taught by shadows", len(views), fits, there=len(views) * there))
    return Planned(works, (views,))


PLANNED = {
    nodes.make_variants: plan_variants,
    nodes.make_views: plan_views,
    nodes.fit_shadows: plan_shadows,
}
