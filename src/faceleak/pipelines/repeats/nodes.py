"""Repeats: the attacks side by side on several targets, and the risk of each image and person over them."""

import pandas as pd

from faceleak.auditing.kinds import Backbone, Figure, TrainingTask
from faceleak.auditing.membership import anchors
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.trees import Metrics
from faceleak.faces.options import FacesOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import parts, stack
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions

REPEATED = f"{UNDEFENDED}_repeated"


class RepeatError(FaceleakError):
    """Targets cannot be repeated."""


def draw_targets(
    store: FaceStore, splits: pd.DataFrame, faces: FacesOptions, options: MembershipOptions
) -> pd.DataFrame:
    """Draw who is a member of which target, among the evaluated people."""
    from faceleak.membership import repeats

    return repeats.draw_targets(store.manifest(), splits, faces.splits, options.targets)


def train_targets(
    store: FaceStore, target_splits: pd.DataFrame, target: TargetOptions, compute: ComputeOptions
) -> dict[str, Backbone]:
    """Train the targets as the audited one was trained, each with a seed of its own. Raises RepeatError."""
    from faceleak.backbones.training import train_backbones

    tasks = repeated_tasks(store, target_splits, target, compute)
    return dict(zip([task.name for task in tasks], train_backbones(tasks, compute), strict=True))


def repeated_tasks(
    store: FaceStore, target_splits: pd.DataFrame, target: TargetOptions, compute: ComputeOptions
) -> list[TrainingTask]:
    """What has to be trained for the targets: a task each. Raises RepeatError where the target was loaded."""
    from faceleak.backbones.training import TrainingTask

    if target.train is None or target.source != "train":
        raise RepeatError(
            "The target was loaded, and repeating it would take its training. Describe that in `target.train` with "
            "target.source `train`, or leave out the `repeats` pipeline."
        )
    tasks = []
    for number, (name, images) in enumerate(target_splits.groupby("target", sort=False)):
        training = target.train.model_copy(update={"seed": target.train.seed + number})
        members = with_role(images, "member")
        tasks.append(TrainingTask(str(name), store, members, training, compute, compute.cache / "backbones"))
    return tasks


def read_target_signals(
    targets: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read what the attacks need off every target: target, image_id, one column a number."""
    from faceleak.membership.view_signals import read_with_other_images

    tables = {
        name: read_with_other_images(options.signals(), targets[name], store, images, compute, anchors(splits))
        for name, images in parts(target_splits, "target").items()
    }
    return stack(tables, "target")


def read_target_calibration(
    references: dict[str, Backbone],
    targets: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Read every target's images off every reference: target, reference, image_id, columns.

    Where attacks are online, each of the other targets is a reference too.
    """
    from faceleak.membership.view_signals import read_with_other_images

    of_references, online = options.signals_of_references(), options.online_signals()
    everything = target_splits.drop_duplicates("image_id")
    readers = [(name, backbone, of_references) for name, backbone in references.items()]
    readers += [(name, backbone, online) for name, backbone in targets.items() if online]
    tables = []
    for reference, backbone, names in readers:
        for name, images in parts(target_splits, "target").items():
            if name != reference:
                signals = read_with_other_images(names, backbone, store, images, compute, anchors(splits), everything)
                tables.append(signals.assign(target=name, reference=reference))
    return pd.concat(tables, ignore_index=True)


def score_blind_targets(
    calibration_signals: pd.DataFrame,
    references: dict[str, Backbone],
    store: FaceStore,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Fit and score the blind baseline for every target."""
    from faceleak.membership import scoring
    from faceleak.membership.view_signals import beside_images
    from faceleak.signals.reading import read_signals

    everything = target_splits.drop_duplicates("image_id")
    first = next(iter(references.values()))
    of_target = parts(calibration_signals, "target")
    tables = []
    for name, splits in parts(target_splits, "target").items():
        seen = read_signals(options.blind.signals, first, store, splits, compute, within=everything)
        of_non_members = of_target[name][of_target[name]["reference"].isin(list(references))]
        blind = beside_images(seen, of_non_members, options.blind)
        tables.append(scoring.score_blind(blind, splits, options).assign(target=name))
    return pd.concat(tables, ignore_index=True)


def attack_targets(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit and score every attack on every target; return the scores, and each image's own false-positive rate.

    Raises RepeatError.
    """
    from faceleak.membership import repeats
    from faceleak.membership.options import ModelKey

    if options.risk is None:
        raise RepeatError("membership.risk is missing: name the calibrated attack by which records are ranked.")
    fitted = repeats.fit_all(signals, reference_signals, calibration_signals, target_splits, options)
    scores = repeats.score_all(signals, calibration_signals, fitted, target_splits)
    model = ModelKey(options.risk.attack, options.risk.threat_model)
    return scores, repeats.record_evidence(signals, calibration_signals, fitted, target_splits, model)


def measure_targets(
    scores: pd.DataFrame, blind_scores: pd.DataFrame, options: MembershipOptions, bootstrap: BootstrapOptions
) -> Metrics:
    """Measure every attack over all targets, and its lead over the paper's: variant → stage → attack → …

    The stage is `membership`, or `upper_bound` for attacks that take the classification head.
    """
    from faceleak.membership.options import BLIND_MODEL, ModelKey
    from faceleak.membership.views import MEMBERSHIP, stage_of
    from faceleak.metrics.comparison import compare

    tables = {
        ModelKey(str(attack), str(threat_model)).name: rows
        for (threat_model, attack), rows in scores.groupby(["threat_model", "attack"], sort=False)
    }
    paper = options.papers_attack()
    papers = {
        name: ModelKey(paper, str(rows["threat_model"].iloc[0])).name
        for name, rows in tables.items()
        if paper is not None
    }
    measured = compare(tables, papers, blind_scores, BLIND_MODEL.name, options.aggregation, bootstrap)
    stages = {
        ModelKey(str(attack), str(threat_model)).name: stage_of(options.attacks[str(attack)])
        for threat_model, attack in scores[["threat_model", "attack"]].drop_duplicates().itertuples(index=False)
    }
    of_stage: Metrics = {MEMBERSHIP: {}}
    for name, metrics in measured.items():
        of_stage.setdefault(stages.get(name, MEMBERSHIP), {})[name] = metrics
    return {REPEATED: of_stage}


def rank_risks(record_scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rank images and people by the evidence against them, and check the false-positive rates on non-members."""
    from faceleak.metrics.record_risk import calibration, risk_table

    return risk_table(record_scores), risk_table(record_scores, "identity"), calibration(record_scores)


def write_comparison(metrics: Metrics, options: MembershipOptions) -> tuple[str, pd.DataFrame, Figure]:
    """The comparison as Markdown, as a table and as a figure."""
    from faceleak.membership.views import MEMBERSHIP, UPPER_BOUND
    from faceleak.reporting.comparison import by_model, comparison_figure, comparison_markdown, comparison_table

    of_stage = metrics[REPEATED]
    bounds = by_model(of_stage.get(UPPER_BOUND, {}), options.attacks)
    attacks = {**by_model(of_stage[MEMBERSHIP], options.attacks), **bounds}
    return comparison_markdown(attacks, bounds), comparison_table(attacks), comparison_figure(attacks, bounds)


def draw_risks(image_risks: pd.DataFrame, record_scores: pd.DataFrame, store: FaceStore) -> tuple[Figure, Figure]:
    """The images at highest risk, for the owner of the data, and how well each image's false-positive rate is kept."""
    from faceleak.reporting.risk import risk_figure, risk_histogram

    shown = image_risks.head(24)
    size = min(112, int(store.manifest()["width"].max()))
    pixels = store.images(store.positions(shown["image_id"]), size)
    is_member = record_scores["is_member"].to_numpy(bool)
    p_values = record_scores["p_value"].to_numpy(float)
    return risk_figure(image_risks, pixels), risk_histogram(p_values[is_member], p_values[~is_member])
