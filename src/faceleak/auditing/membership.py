"""Membership inference: reference backbones, signals, attacks, scores, metrics and figures."""

import logging
from functools import partial
from typing import Any

import pandas as pd

from faceleak.auditing.kinds import Attacks, Backbone, Figure, TrainingTask
from faceleak.auditing.target import tell_faults
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.trees import Metrics
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.faces.store import FaceStore
from faceleak.membership import references
from faceleak.membership.attackers import TARGET_VIEW, VIEW, AttackerName, View
from faceleak.membership.options import MembershipOptions, ThreatModel
from faceleak.membership.stacking import stack
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions, run_tasks

log = logging.getLogger(__name__)


def split_references(splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Draw who is a member of which reference backbone."""
    return references.split_references(splits, options.references)


def reference_tasks(
    store: FaceStore, reference_splits: pd.DataFrame, options: MembershipOptions, compute: ComputeOptions
) -> list[TrainingTask]:
    """What has to be trained for the references: a task each, with a seed of its own."""
    from faceleak.backbones.training import TrainingTask

    training = options.references.training
    members = reference_splits[reference_splits["is_member"]]
    return [
        TrainingTask(
            str(name),
            store,
            images,
            training.model_copy(update={"seed": training.seed + number}),
            compute,
            compute.cache / "backbones",
        )
        for number, (name, images) in enumerate(members.groupby("reference", sort=False))
    ]


def check_attacks(target: TargetOptions, options: MembershipOptions) -> None:
    """Raise UnreadableError where an attack reads what the target, or a reference, is not going to show."""
    from faceleak.membership import readability
    from faceleak.planning.networks import Network

    head = target.source == "train" or (target.load is not None and target.load.head is not None)
    reference = Network.of(options.references.training, None).make()
    readability.check_attacks(options, Network.of_target(target).make(), head, reference)


def readable_attacks(target: Any, options: MembershipOptions, by_default: bool) -> tuple[MembershipOptions, list[str]]:
    """Return the options with attacks that a backbone gives, and what was left out; check them against references.

    by_default: these attacks are as in `conf/base`, so that those that cannot be made are left out. Raises
    UnreadableError otherwise.
    """
    from faceleak.membership import readability
    from faceleak.planning.networks import Network

    reference = Network.of(options.references.training, None).make()
    head, told = target.head is not None, list[str]()
    if by_default:
        options, told = readability.without_unreadable(options, target, head, reference)
    readability.check_attacks(options, target, head, reference)
    return options, told


def train_references(
    store: FaceStore,
    reference_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
    *waited_for: Metrics,  # noqa: ARG001
) -> dict[str, Backbone]:
    """Train the reference backbones, in parallel where there are cores; those that are there already are kept.

    waited_for: what has to be known before anything is trained.
    """
    from faceleak.backbones.training import train_backbones

    tasks = reference_tasks(store, reference_splits, options, compute)
    return tell_faults(dict(zip([task.name for task in tasks], train_backbones(tasks, compute), strict=True)))


def read_reference_signals(
    trained: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the attacks need off every reference, for its own members and non-members."""
    from faceleak.signals.reading import read_signals

    tables = []
    read = references.images_to_read(reference_splits, options.references)
    for name, images in read.groupby("reference", sort=False):
        signals = read_signals(options.signals(), trained[str(name)], store, images, compute, anchors(splits))
        tables.append(images.merge(signals, on="image_id", validate="one_to_one"))
    return pd.concat(tables, ignore_index=True)


def anchors(splits: pd.DataFrame) -> pd.DataFrame:
    """The images that others are compared with: of people whom everybody may use."""
    return with_role(splits, "public")


def read_calibration_signals(
    trained: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read the target's images off every reference, none of which knows these people: reference, image_id, columns."""
    from faceleak.membership.view_signals import read_with_other_images

    names = options.signals_of_references()
    images = with_role(splits, *EVALUATED_ROLES)
    tables = {
        name: read_with_other_images(names, backbone, store, images, compute, anchors(splits))
        for name, backbone in trained.items()
    }
    return stack(tables, "reference")


def read_blind_signals(
    calibration_signals: pd.DataFrame,
    trained: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the blind baseline may see: the images, and reference backbones that know none of these people."""
    from faceleak.membership.view_signals import beside_images
    from faceleak.signals.reading import read_signals

    images = with_role(splits, *EVALUATED_ROLES)
    seen = read_signals(options.blind.signals, next(iter(trained.values())), store, images, compute)
    return beside_images(seen, calibration_signals, options.blind)


def read_view_signals(
    views: dict[View, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the attacks need off every view of a variant: variant, bypass, image_id, one column a number.

    Signals that a defended view does not give are left out there; the target itself has to give all.
    """
    from faceleak.membership.view_signals import SignalsTask, read_views
    from faceleak.signals.readable import readable

    images, names = with_role(splits, *EVALUATED_ROLES), options.signals()
    tasks = {
        view: SignalsTask(
            tuple(names if view == TARGET_VIEW else readable(names, backbone)), backbone, store, images, anchors(splits)
        )
        for view, backbone in views.items()
    }
    return stack(read_views(tasks, compute), *VIEW)


def fit_attacks(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    options: MembershipOptions,
    threat_models: list[ThreatModel],
    compute: ComputeOptions,
    shadow_models: Attacks | None = None,
) -> Attacks:
    """Fit every attack on what its threat model allows; online ones are left to the `repeats` pipeline.

    shadow_models: view → attack → what defended shadows taught; where there are none, the references as they are teach.
    """
    from faceleak.membership import fitting

    if online := options.online_attacks():
        log.info("Left to the repeats pipeline, whose targets are online references: %s", ", ".join(online))
    attacks = options.offline_attacks()
    tables = signals, reference_signals, calibration_signals, splits
    return fitting.fit_attacks(*tables, attacks, threat_models, shadow_models=shadow_models or None, compute=compute)


def score_images(
    signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    models: Attacks,
    splits: pd.DataFrame,
    attackers: list[AttackerName],
) -> pd.DataFrame:
    """Score the images that no attacker knows."""
    from faceleak.membership import scoring

    return scoring.score_images(signals, calibration_signals, models, splits, attackers)


def measure_membership(
    scores: pd.DataFrame,
    blind_scores: pd.DataFrame,
    options: MembershipOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> Metrics:
    """Measure every attack, and the blind baseline once for each variant: variant → stage → attack → …

    The stage is `membership`, or `upper_bound` for attacks that take the classification head.
    """
    from faceleak.membership.attackers import suffix_of
    from faceleak.membership.options import BLIND_MODEL, ModelKey
    from faceleak.membership.views import MEMBERSHIP, stage_of
    from faceleak.metrics.attackers import is_much, measure_attacker

    keys = ["variant", "attacker", "threat_model", "attack"]
    groups: dict[Any, pd.DataFrame] = dict(tuple(scores.groupby(keys, sort=False)))
    blind = measure_attacker(blind_scores, None, options.aggregation, bootstrap)
    measure = partial(measure_attacker, blind=blind_scores, aggregation=options.aggregation, bootstrap=bootstrap)
    tables = list(groups.values())
    measured = run_tasks(measure, tables, compute) if is_much(len(scores), bootstrap) else map(measure, tables)
    metrics: Metrics = {}
    for (variant, attacker, threat_model, attack), of_attack in zip(groups, measured, strict=True):
        of_variant = metrics.setdefault(variant, {MEMBERSHIP: {BLIND_MODEL.name: blind}})
        of_stage = of_variant.setdefault(stage_of(options.attacks[attack]), {})
        of_stage[ModelKey(attack, threat_model).name + suffix_of(attacker)] = of_attack
    return metrics


def measure_subgroups(scores: pd.DataFrame, options: MembershipOptions, bootstrap: BootstrapOptions) -> pd.DataFrame:
    """Leakage gaps between subgroups of people, for every attack; an empty table where there are no attributes.

    Raises AttributesError where the file of `membership.attributes` cannot be read.
    """
    from faceleak.membership.attributes import read_attributes
    from faceleak.metrics.subgroups import subgroup_gaps

    if options.attributes is None:
        return pd.DataFrame(columns=["attack", "threat_model"])
    attributes = read_attributes(options.attributes)
    tables = [
        subgroup_gaps(rows, attributes, bootstrap).assign(attack=str(attack), threat_model=str(threat_model))
        for (attack, threat_model), rows in scores.groupby(["attack", "threat_model"], sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def draw_roc(scores: pd.DataFrame, blind_scores: pd.DataFrame, options: MembershipOptions) -> Figure:
    """ROC curves on log-log axes."""
    from faceleak.membership.views import upper_bounds
    from faceleak.reporting.roc import roc_figure

    return roc_figure(scores, blind_scores, upper_bounds(options.attacks))


def draw_histograms(signals: pd.DataFrame, splits: pd.DataFrame) -> Figure:
    """Distances of members and non-members, layer by layer; a line that says so where no attack reads distances."""
    from faceleak.reporting.histograms import DISTANCE, distance_histograms, without_distances
    from faceleak.signals.columns import columns_of

    return distance_histograms(signals, splits) if columns_of(DISTANCE, signals) else without_distances(DISTANCE)


def list_roc_points(scores: pd.DataFrame, blind_scores: pd.DataFrame) -> pd.DataFrame:
    """ROC curves as a table, for `dvc plots`."""
    from faceleak.reporting.roc import roc_points

    return roc_points(pd.concat([scores, blind_scores]))
