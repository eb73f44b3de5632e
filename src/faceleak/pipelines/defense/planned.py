"""What the nodes of `defense` would do, for a plan: what a defense takes is what its module says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from faceleak.auditing.membership import reference_tasks
from faceleak.auditing.target import target_tasks
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.training_task import TrainingTask
from faceleak.bypasses import OwnFaces
from faceleak.bypasses import registry as bypasses
from faceleak.defenses import registry
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.shadows import shadows_of
from faceleak.defenses.tasks import VariantTask, ViewTask
from faceleak.faces.splits import with_role
from faceleak.membership.attackers import UNDEFENDED, View
from faceleak.membership.references import images_to_read
from faceleak.pipelines.defense import nodes
from faceleak.planning.networks import Network, StandIn, network_of
from faceleak.planning.quantities import fitting, reading, training, training_on
from faceleak.planning.tasks import Table, Tasks, backbone_bytes, is_complete
from faceleak.planning.work import Cost, Planned, Work
from faceleak.signals.readable import readable


def plan_variants(plan: Tasks, target: Backbone) -> Planned:
    """A task for each variant, and what is trained for it."""
    trained = [*target_tasks(plan.store, plan.splits, plan.options.target, plan.compute), None]
    owner = _owner(plan, target, trained[0])
    made = {variant.name: VariantTask(owner, variant) for variant in plan.options.defense.variants}
    works, backbones = defended(plan, made, "variants")
    return Planned(works, ({UNDEFENDED: target, **backbones},))


def _owner(plan: Tasks, backbone: Backbone, trained: TrainingTask | None) -> Owner:
    store: Any = plan.store
    return Owner(backbone, trained, store, plan.public[nodes.IMAGE], plan.compute)


def defended(plan: Tasks, made: Mapping[str, VariantTask], who: str) -> tuple[list[Work], dict[str, Backbone]]:
    """Variants, with trainings that several of them share apart; and each of them, or what stands for it.

    One that is trained takes the trainings which its module names as `tasks`, and what its `quantity` says; any other
    one a pass over the public faces.
    """
    trainings = {name: _said(task, "tasks", task.options.seed) or [] for name, task in made.items()}
    asked = Counter(one.path for of_task in trainings.values() for one in of_task)
    works, backbones = list[Work](), dict[str, Backbone]()
    for name, task in made.items():
        owner, there = task.owner, task.path.exists()
        network = network_of(owner.backbone)
        shared = [one for one in trainings[name] if asked[one.path] > 1 and not (there and not one.path.exists())]
        own = [one for one in trainings[name] if asked[one.path] == 1]
        besides = _said(task, "quantity") or 0
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
        backbones[name] = plan.backbone(task, Network.of(last[0].options, None) if last else network)
    return works, backbones


def _said(task: VariantTask, what: str, *more: Any) -> Any:
    """What the module of a defense says of a task; None where it does not, or where making the variant would fail."""
    say = getattr(registry.get(task.options.defense), what, None)
    try:
        return None if say is None else say(task.owner, task.options.checked_settings(), *more)
    except DefenseError:
        return None


def plan_views(plan: Tasks, variants: dict[str, Backbone]) -> Planned:
    """A task for each bypass that is tried."""
    options, store = plan.options.defense, plan.store
    own = nodes.own_faces(store, with_role(plan.splits, "auxiliary"), options, plan.compute)
    works, views = bypassed(plan, variants, nodes.bypasses_tried(options), own)
    return Planned(works, ({**_released(variants), **views},))


def _released(variants: Mapping[str, Backbone]) -> dict[View, Backbone]:
    return {View(name): released for name, released in variants.items()}


def bypassed(
    plan: Tasks, variants: Mapping[str, Backbone], tried: Mapping[str, Sequence[str]], own: OwnFaces
) -> tuple[list[Work], dict[View, Backbone]]:
    """Views whose defense is bypassed: a pass over the attacker's own faces each, and what their `quantity` says."""
    works, views = list[Work](), dict[View, Backbone]()
    for name, released in variants.items():
        network = network_of(released)
        for bypass in bypasses.possible(tried.get(name, ()), released):
            module: Any = bypasses.get(bypass)
            task, costs, kept = ViewTask(released, bypass, own), [Cost(reading(network), len(own.images))], False
            if hasattr(module, "quantity"):
                costs.append(Cost(training_on(network), module.quantity(own)))
            if kept := module.IS_A_BACKBONE:
                view = plan.backbone(task, network)
            else:
                view = StandIn(network) if isinstance(released, StandIn) else module.bypass(released, own)
            there, disk = kept and task.path.exists(), backbone_bytes(released, 0) / 2 if kept else 0.0
            works.append(Work(f"views by {bypass}", 1, tuple(costs), "views", there=there, kept=kept, disk=disk))
            views[View(name, bypass)] = view
    return works, views


def plan_shadows(
    plan: Tasks, references: dict[str, Backbone], reference_signals: Table, reference_splits: pd.DataFrame
) -> Planned:
    """With `shadow`, each reference is defended, bypassed and read as each variant, and attacked."""
    options, membership = plan.options.defense, plan.options.membership
    if "shadow" not in options.threat_models or set(options.attackers) == {"static"}:
        return Planned(outputs=({},))
    drawn = reference_tasks(plan.store, reference_splits, membership, plan.compute)
    owners = {task.name: _owner(plan, references[task.name], task) for task in drawn}
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
        made, views = bypassed(plan, variants, nodes.bypasses_tried(options), own)
        views = {**_released(variants), **views}
        images = dict.fromkeys(views, read[read["reference"] == name])
        works += made
        works += plan.readings("signals of shadows", lambda view: readable(membership.signals(), view), images, views)
    there = is_complete(works, views.values())  # fits are looked for by no name, but follow from these
    count, attacks = membership.references.count, membership.offline_attacks().items()
    quantities = [fitting(name, attack, reference_signals.network, count) for name, attack in attacks]
    fits = tuple(Cost(quantity, reference_signals.rows) for quantity in quantities)
    alike = count // len(owners)
    works = [replace(one, tasks=alike * one.tasks, there=alike * one.there, held=alike * one.held) for one in works]
    works.append(Work("attacks taught by shadows", len(views), fits, there=len(views) * there))
    return Planned(works, (views,))


PLANNED = {
    nodes.make_variants: plan_variants,
    nodes.make_views: plan_views,
    nodes.fit_shadows: plan_shadows,
}
