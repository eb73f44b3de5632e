"""What the nodes of `repeats` would do, for a plan."""

import pandas as pd

from faceleak.auditing.planned import blind_baseline, measured
from faceleak.backbones.backbone import Backbone
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership import repeats
from faceleak.membership.inputs import known_images
from faceleak.membership.stacking import parts
from faceleak.pipelines.repeats import nodes
from faceleak.planning.quantities import fitting
from faceleak.planning.tasks import Table, Tasks
from faceleak.planning.work import Cost, NotPlannedError, Planned, Work


def plan_draw(plan: Tasks) -> Planned:
    """Draw."""
    number = plan.options.membership.targets
    drawn = repeats.draw_targets(plan.store.manifest(), plan.splits, plan.options.faces.splits, number)
    return Planned(outputs=(drawn,))


def plan_targets(plan: Tasks, target_splits: pd.DataFrame) -> Planned:
    """A training each. Raises NotPlannedError where the target is loaded."""
    try:
        trained = nodes.repeated_tasks(plan.store, target_splits, plan.options.target, plan.compute)
    except nodes.RepeatError as error:
        raise NotPlannedError(str(error)) from error
    backbones = {task.name: plan.trained(task) for task in trained}
    return Planned(plan.trainings("repeated targets", trained, "repeats"), (backbones,))


def plan_signals(plan: Tasks, targets: dict[str, Backbone], target_splits: pd.DataFrame) -> Planned:
    """All signals off each target, of its own people."""
    images, names = parts(target_splits, "target"), plan.options.membership.signals()
    works = plan.readings("signals of repeated targets", names, images, targets)
    return Planned(works, (Table(len(target_splits), targets),))


def plan_calibration(
    plan: Tasks, references: dict[str, Backbone], targets: dict[str, Backbone], target_splits: pd.DataFrame
) -> Planned:
    """What calibrates, for all images of all targets, off each reference and, for online attacks, off each target."""
    options, everything = plan.options.membership, target_splits.drop_duplicates("image_id")
    kind, names = "references on repeated targets' images", options.signals_of_references()
    works = plan.readings(kind, names, dict.fromkeys(references, everything), references)
    if online := options.online_signals():
        works += plan.readings("targets on each other's images", online, dict.fromkeys(targets, everything), targets)
    return Planned(works)


def plan_blind(plan: Tasks, references: dict[str, Backbone], target_splits: pd.DataFrame) -> Planned:
    """What the blind baseline sees of all images, and a fit for each target."""
    drawn = list(parts(target_splits, "target").values())
    return Planned(blind_baseline(plan, references, target_splits.drop_duplicates("image_id"), drawn))


def plan_attacks(plan: Tasks, signals: Table, reference_signals: Table, target_splits: pd.DataFrame) -> Planned:
    """Every attack on every target; with `shadow` once on all references."""
    options = plan.options.membership
    known = [len(known_images(images)) for images in parts(target_splits, "target").values()]
    taught = {"partial_knowledge": known, "shadow": [reference_signals.rows]}
    works = [
        Work("attacks fitted", 1, (Cost(quantity, rows),), kept=False)
        for name, attack in options.attacks.items()
        for quantity in [fitting(name, attack, signals.network, options.references.count)]
        for threat_model in options.threat_models
        for rows in taught[threat_model]
    ]
    judged = len(with_role(target_splits, *EVALUATED_ROLES)) - sum(known)
    return Planned(works, ([judged] * (len(options.attacks) * len(options.threat_models)),))


def plan_measures(plan: Tasks, scores: list[int]) -> Planned:
    """Metrics and intervals of every attack over all targets, and of the blind baseline."""
    return Planned(measured(plan, scores))


PLANNED = {
    nodes.draw_targets: plan_draw,
    nodes.train_targets: plan_targets,
    nodes.read_target_signals: plan_signals,
    nodes.read_target_calibration: plan_calibration,
    nodes.score_blind_targets: plan_blind,
    nodes.attack_targets: plan_attacks,
    nodes.measure_targets: plan_measures,
}
