"""What the nodes of `faces`, `target` and `membership` would do, for a plan."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from faceleak.auditing import faces as faces_nodes
from faceleak.auditing import membership
from faceleak.auditing import target as target_nodes
from faceleak.backbones.backbone import Backbone
from faceleak.faces.demo import PEOPLE_PER_TASK
from faceleak.faces.splits import with_role
from faceleak.faces.store import ROWS_PER_BATCH
from faceleak.membership import references
from faceleak.membership.attackers import TARGET_VIEW, AttackerName, View, evaluations
from faceleak.membership.inputs import known_images
from faceleak.membership.options import AttackOptions, ThreatModel
from faceleak.membership.scoring import Attacks
from faceleak.metrics.attackers import is_much
from faceleak.planning.networks import Network, StandIn, network_of
from faceleak.planning.quantities import (
    A_START,
    drawing,
    fitting,
    measuring,
    packing,
    reading,
    validating,
    verifying,
)
from faceleak.planning.sample import StatedFaces
from faceleak.planning.tasks import ID_BYTES, Table, Tasks, queries
from faceleak.planning.work import Cost, Planned, Work
from faceleak.signals.readable import readable

TOGETHER = "train_backbones"  # the pool of all backbones that `attack` trains
SEVERAL_VIEWS = 11 / 6  # fits where a view is chosen: five folds and a threshold's five, on four fifths


def plan_validation(plan: Tasks) -> Planned:
    """Packing, since it is known here how many faces there are, and validation."""
    store, options, images = plan.store, plan.options.faces, len(plan.store)
    demo = options.demo if options.source == "demo" else None
    per_task = PEOPLE_PER_TASK * demo.images_per_person if demo else ROWS_PER_BATCH
    tasks, rows = max(1, round(images / per_task)), images * 2 * ID_BYTES
    bytes_of_all = store.image_bytes * images if isinstance(store, StatedFaces) else 0.0
    there, made = 0 if bytes_of_all else tasks, Cost(drawing(demo) if demo else packing(), images / tasks)
    checked = (Cost(validating(), images), Cost(A_START, 1))
    return Planned(
        [
            Work("faces in the store", tasks, (made,), "faces", there=there, disk=bytes_of_all / tasks),
            Work("start of the program", 1, (Cost(A_START, 1),), kept=False),
            Work("splits and validation", 1, checked, kept=False, disk=rows, held=rows),
        ]
    )


def plan_target(plan: Tasks) -> Planned:
    """One training, or none where the target is loaded; what is not on this machine has a stand-in."""
    options = plan.options.target
    trained = target_nodes.target_tasks(plan.store, plan.splits, options, plan.compute)
    if trained:
        return Planned(plan.trainings("target", trained, TOGETHER), (plan.trained(trained[0]),))
    load = options.load
    if load is None or (load.weights is not None and not load.weights.exists()):
        return Planned(outputs=(StandIn(Network.of_target(options)),))
    return Planned(outputs=(target_nodes.get_target(plan.store, plan.splits, options, plan.compute),))


def plan_view(target: Backbone) -> Planned:
    """The target as the only variant."""
    return Planned(outputs=({TARGET_VIEW: target},))


def plan_utility(plan: Tasks, views: dict[View, Backbone]) -> Planned:
    """Embeddings of people who were not trained on, and pairs of them, for each view."""
    people, options = with_role(plan.splits, "unseen_identity"), plan.options.target.utility
    number, images = people["identity"].nunique(), len(people)
    pairs = Cost(verifying(number, images, options.maximum_pairs, plan.options.bootstrap), 1)
    pool, kind = ("utility", "views") if len(views) > 1 else ("", "the target")
    costs = [(Cost(reading(network_of(backbone)), queries(view) * images), pairs) for view, backbone in views.items()]
    return Planned([Work(f"utility of {kind}", 1, cost, pool, kept=False) for cost in costs])


def plan_reference_splits(plan: Tasks) -> Planned:
    """The splits; of references for which there are no faces yet those of the first, which is like all others."""
    options = plan.options.membership.references
    drawn = options if plan.is_packed else options.model_copy(update={"count": 1})
    return Planned(outputs=(references.split_references(plan.splits, drawn),))


def plan_references(plan: Tasks, reference_splits: pd.DataFrame) -> Planned:
    """A training each."""
    options = plan.options.membership
    trained = membership.reference_tasks(plan.store, reference_splits, options, plan.compute)
    backbones = {task.name: plan.trained(task) for task in trained}
    network, count = Network.of(options.references.training, None), options.references.count
    for name in map(references.reference_name, range(len(trained), count)):
        backbones[name] = StandIn(network)
    works = plan.trainings("reference backbones", trained, TOGETHER, alike=count // len(trained))
    return Planned(works, (backbones,))


def plan_reference_signals(plan: Tasks, trained: dict[str, Backbone], reference_splits: pd.DataFrame) -> Planned:
    """All signals of the attacker's own people, off each reference."""
    options, first = plan.options.membership, reference_splits["reference"].iloc[0]
    read = dict(tuple(references.images_to_read(reference_splits, options.references).groupby("reference")))
    images = {name: read.get(name, read[first]) for name in trained}
    works = plan.readings("signals of references", options.signals(), images, trained)
    make = partial(
        membership.read_reference_signals,
        trained,
        plan.store,
        plan.splits,
        reference_splits,
        compute=plan.compute,
    )
    return Planned(works, (plan.table(images, trained, works, make),))


def plan_calibration_signals(plan: Tasks, trained: dict[str, Backbone]) -> Planned:
    """What calibrates, for the target's images, off each reference."""
    images, names = dict.fromkeys(trained, plan.evaluated), plan.options.membership.signals_of_references()
    works = plan.readings("references on the target's images", names, images, trained)
    make = partial(membership.read_calibration_signals, trained, plan.store, plan.splits, compute=plan.compute)
    return Planned(works, (plan.table(images, trained, works, make),))


def plan_blind(plan: Tasks, trained: dict[str, Backbone]) -> Planned:
    """What the blind baseline sees, and its fit."""
    return Planned(blind_baseline(plan, trained, plan.evaluated, [plan.splits]))


def blind_baseline(
    plan: Tasks, trained: dict[str, Backbone], images: pd.DataFrame, splits: list[pd.DataFrame]
) -> list[Work]:
    """Signals of the images themselves, read beside the first reference, and a fit on what each attacker knows."""
    blind, kind, (name, backbone) = plan.options.membership.blind, "blind baseline", next(iter(trained.items()))
    attack = AttackOptions(signals=[*blind.signals, *blind.reference_signals] or ["pixel_statistics"])
    quantity = fitting("blind", attack, network_of(backbone), 0)
    fits = [Cost(quantity, len(known_images(drawn))) for drawn in splits]
    works = plan.readings(kind, blind.signals, {name: images}, {name: backbone})
    return [*works, *(Work(kind, 1, (fit,), kept=False) for fit in fits)]


def plan_signals(plan: Tasks, views: dict[View, Backbone]) -> Planned:
    """All signals off each view, of all evaluated people."""
    kind, pool = ("signals of views", "signals") if len(views) > 1 else ("signals of the target", "")
    images, names = dict.fromkeys(views, plan.evaluated), plan.options.membership.signals()

    def of_view(view: Backbone) -> list[str]:
        return names if view is views[TARGET_VIEW] else readable(names, view)

    works = plan.readings(kind, of_view, images, views, pool, queries)
    make = partial(membership.read_view_signals, views, plan.store, plan.splits, compute=plan.compute)
    return Planned(works, (plan.table(images, views, works, make),))


@dataclass(frozen=True)
class Models:
    """So many fitted attacks of each view. fit: fits one of them by name, if all that it reads is there."""

    attacks: int
    views: tuple[View, ...]
    fit: Callable[[str, ThreatModel], Attacks] | None


def plan_fits(
    plan: Tasks,
    signals: Table,
    reference_signals: Table,
    calibration_signals: Table,
    threat_models: list[ThreatModel],
    shadow_models: Mapping[View, Backbone] | None = None,
) -> Planned:
    """Every attack on every view; with `shadow` once on all references, unless defended shadows teach them."""
    options, views = plan.options.membership, tuple(signals.backbones)
    tries, pool = Counter(view.variant for view in views), "fits" if len(views) > 1 else ""
    several, works = [tries[view.variant] > 1 for view in views], list[Work]()
    for name, attack in options.offline_attacks().items():
        quantity = fitting(name, attack, signals.network, options.references.count)
        if "partial_knowledge" in threat_models:
            costs = [Cost(quantity, (SEVERAL_VIEWS if chosen else 1) * plan.known) for chosen in several]
            works += [Work("attacks fitted", 1, (cost,), pool, kept=False) for cost in costs]
        if "shadow" in threat_models and not shadow_models:
            works.append(Work("attacks fitted", 1, (Cost(quantity, reference_signals.rows),), kept=False))
    tables = signals.read, reference_signals.read, calibration_signals.read

    def fit(attack: str, threat_model: ThreatModel) -> Attacks:
        one = options.model_copy(update={"attacks": {attack: options.attacks[attack]}})
        signals, of_references, calibrating = (table(one) for table in tables if table is not None)
        return membership.fit_attacks(
            signals, of_references, calibrating, plan.splits, one, [threat_model], plan.compute
        )

    number = len(options.offline_attacks()) * len(threat_models)
    return Planned(works, (Models(number, views, fit if all(tables) else None),))


def plan_scores(plan: Tasks, models: Models, attackers: list[AttackerName]) -> Planned:
    """The rows of each attack by each attacker on each variant."""
    return Planned(outputs=([plan.judged] * (len(evaluations(models.views, attackers)) * models.attacks),))


def plan_measures(plan: Tasks, scores: list[int]) -> Planned:
    """Metrics and intervals of every attack and of the blind baseline, side by side where that pays."""
    return Planned(measured(plan, scores, "measuring" if is_much(sum(scores), plan.options.bootstrap) else ""))


def measured(plan: Tasks, scores: list[int], pool: str = "") -> list[Work]:
    """Metrics and intervals of attacks with so many scores each, and of the blind baseline."""
    bootstrap = plan.options.bootstrap
    cost = Cost(measuring(plan.options.membership.aggregation, bootstrap), scores[0] * bootstrap.resamples)
    return [Work("attacks measured", 1 + len(scores), (cost,), pool, kept=False)]


PLANNED: dict[Callable[..., Any], Callable[..., Planned]] = {
    faces_nodes.validate_faces: plan_validation,
    target_nodes.get_target: plan_target,
    target_nodes.view_target: plan_view,
    target_nodes.measure_utility: plan_utility,
    membership.split_references: plan_reference_splits,
    membership.train_references: plan_references,
    membership.read_reference_signals: plan_reference_signals,
    membership.read_calibration_signals: plan_calibration_signals,
    membership.read_blind_signals: plan_blind,
    membership.read_view_signals: plan_signals,
    membership.fit_attacks: plan_fits,
    membership.score_images: plan_scores,
    membership.measure_membership: plan_measures,
}
