"""Target: train or load the backbone under audit, list what it consists of, measure what it is good for."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.auditing.kinds import Backbone, TrainingTask
from faceleak.backbones.target_options import LoadOptions, TargetOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.trees import Metrics, Tree
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import TARGET_VIEW, View
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.tasks import code_version, fingerprint, remembered_json

PREPROCESSING_PAIRS = 10_000
PREPROCESSING_IMAGES_A_PERSON = 5
GOOD = 0.9  # verification AUC below which faces are not aligned, or the backbone is another one

log = logging.getLogger(__name__)


class StaleTargetError(FaceleakError):
    """The target is of an earlier split."""


def target_tasks(
    store: FaceStore, splits: pd.DataFrame, options: TargetOptions, compute: ComputeOptions
) -> list[TrainingTask]:
    """What has to be trained for the target: one task, or none where it comes from outside."""
    from faceleak.backbones.training import TrainingTask

    if options.train is None or options.source != "train":
        return []
    members = with_role(splits, "member")
    return [TrainingTask("target", store, members, options.train, compute, compute.cache / "backbones")]


def get_target(store: FaceStore, splits: pd.DataFrame, options: TargetOptions, compute: ComputeOptions) -> Backbone:
    """Train the target on the members (once; found again by what it depends on), or load the given one."""
    from faceleak.backbones.training import train_backbones

    if tasks := target_tasks(store, splits, options, compute):
        return train_backbones(tasks, compute)[0]
    return load_target(splits, options)


def load_target(splits: pd.DataFrame, options: TargetOptions) -> Backbone:
    """Load the target that comes from outside; warn where nobody knows who was trained on."""
    assert options.load is not None
    members = with_role(splits, "member")
    if drawn := members["identity"][members["decided_by"] == "draw"].nunique():
        log.warning(
            "The target comes from outside, and who is a member was drawn for %d people. Nobody knows whether it was "
            "trained on them: say who was, by the roles of sources (docs/faces.md).",
            drawn,
        )
    return load_described(options.load)


def load_described(load: LoadOptions) -> Backbone:
    """Load a backbone from outside, with its classification head if there is one."""
    from faceleak.backbones.head import read_head
    from faceleak.backbones.loading import load_checkpoint

    target = load_checkpoint(load.card(), load.weights, load.sha256)
    if load.head is not None and load.identities is not None:
        target.head = read_head(load.head, load.identities, load.head_scale, load.embedding_size)
    return target


def inspect_target(target: Backbone) -> Tree:
    """List what the target consists of and how it behaves, and warn of what an auditor should know."""
    from faceleak.backbones.architectures import ONNX
    from faceleak.backbones.inventory import take_inventory

    inventory = take_inventory(target)
    if target.card.architecture == ONNX:
        from faceleak.backbones.onnx_import.reading import surviving_batch_norms

        found = surviving_batch_norms(Path(str(target.card.arguments["path"])))
        inventory["onnx"] = asdict(found) | {"meaning": found.meaning}
        log.info("%s", found.meaning)
    for warning in inventory["warnings"]:
        log.warning("%s", warning)
    return inventory


def tell_faults(backbones: dict[str, Backbone]) -> dict[str, Backbone]:
    """Return the backbones, after a warning of each that cannot tell faces apart."""
    from faceleak.backbones.inventory import faults

    for name, backbone in backbones.items():
        for fault in faults(backbone):
            log.warning("%s: %s", name, fault)
    return backbones


def compare_preprocessing(
    target: Backbone,
    store: FaceStore,
    splits: pd.DataFrame,
    options: TargetOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Verify unseen people by the declared preprocessing and by the usual mistakes; warn where one of these is better.

    Empty where the target was trained here, with the preprocessing that it is fed with. Found again by what it depends
    on.
    """
    from faceleak.auditing import preprocessing_check

    if options.source == "train":
        return pd.DataFrame(columns=["name", "verification_auc", "difference"])
    people = with_role(splits, "unseen_identity")
    people = people[people.groupby("identity").cumcount() < PREPROCESSING_IMAGES_A_PERSON]

    def compared() -> dict[str, Any]:
        identities, images = people["identity"].to_numpy(), people["image_id"].to_numpy()
        first, second = sample_pairs(identities, PREPROCESSING_PAIRS, bootstrap.seed)
        same_person = identities[first] == identities[second]
        check = preprocessing_check.check_preprocessing(
            target, store, images[first], images[second], same_person, compute, bootstrap
        )
        return {str(column): values for column, values in check.table.to_dict("list").items()}

    from faceleak.metrics.verification import sample_pairs

    chosen = people[["image_id", "identity", "sha256"]]
    code = code_version(__name__, preprocessing_check.__name__)
    name = fingerprint("preprocessing", target.network_hash(), target.card.training, chosen, bootstrap, code)
    table = pd.DataFrame(remembered_json(compute.cache / "preprocessing" / f"{name}.json", compared))
    for warning in preprocessing_check.warn(table):
        log.warning("%s", warning)
    return table


def judge(utility: Tree, inventory: Tree, fed: pd.DataFrame) -> list[str]:
    """What of the target is not as it should be, in sentences; none where all is.

    utility: of the target itself; fed: as `compare_preprocessing` gives it.
    """
    from faceleak.auditing.preprocessing_check import warn
    from faceleak.reporting.formats import interval_text
    from faceleak.reporting.verdict import read_utility

    found = list[str]()
    auc = utility.get("verification_auc")
    if useless := read_utility(utility):
        found.append(f"{useless[0].upper()}{useless[1:]}.")
    elif auc is not None and auc < GOOD:
        found.append(
            f"Verification AUC {interval_text(utility, 'verification_auc')} on unseen people is low: faces are not "
            "aligned, or fed in another way than in the training, or the backbone is a weak one."
        )
    if drawn := utility.get("drawn_members"):
        found.append(
            f"Nobody has said who was trained on: {drawn:.0%} of the images called members were drawn. State it in "
            "faces.members, or by the roles of sources (docs/faces.md)."
        )
    return [*found, *inventory["warnings"], *(warn(fed) if len(fed) else [])]


def measure_verification(
    embeddings: NDArray[np.float32], identities: NDArray[np.object_], maximum_pairs: int, bootstrap: BootstrapOptions
) -> dict[str, float | None]:
    """Verification AUC with its interval over people, and TAR at FAR 0.1 %."""
    from faceleak.metrics import verification

    first, second = verification.sample_pairs(identities, maximum_pairs, bootstrap.seed)
    same_person = identities[first] == identities[second]
    similarity = verification.cosine_similarities(embeddings, first, second)
    interval = verification.verification_auc_interval(
        same_person, similarity, identities[first], identities[second], bootstrap
    )
    return (
        verification.verification_metrics(same_person, similarity)
        | interval.named("verification_auc")
        | verification.embedding_metrics(embeddings)
    )


def read_unseen_pairs(store: FaceStore, splits: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Read pairs of images in the store. Raises PairsError, also where people are shown that were trained on."""
    from faceleak.faces.pairs import PairsError, locate, read_pairs

    manifest = store.manifest()
    pairs = locate(read_pairs(path), manifest["image_id"], path)
    person = manifest.set_index("image_id")["identity"]
    members = set(with_role(splits, "member")["identity"])
    seen = pairs["first"].map(person).isin(members) | pairs["second"].map(person).isin(members)
    if seen.any():
        raise PairsError(
            f"{int(seen.sum())} of {len(pairs)} pairs of {path} show people with the role `member`: accuracy on people "
            "who were trained on says nothing about others. Take other people as members, or set target.utility.pairs "
            "to null."
        )
    return pairs


def measure_lfw_accuracy(
    backbone: Backbone, store: FaceStore, pairs: pd.DataFrame, bootstrap: BootstrapOptions, compute: ComputeOptions
) -> dict[str, float]:
    """Accuracy by LFW's protocol, with its interval over folds; `pairs` as `read_unseen_pairs` gives them."""
    from faceleak.backbones.embedding import embed
    from faceleak.metrics import verification

    images = pd.Index(pd.unique(pairs[["first", "second"]].to_numpy().ravel()))
    embeddings = embed(backbone, store, images, compute)
    first, second = images.get_indexer(pairs["first"]), images.get_indexer(pairs["second"])
    similarity = verification.cosine_similarities(embeddings, first, second)
    same_person, folds = pairs["same_person"].to_numpy(bool), pairs["fold"].to_numpy()
    return verification.lfw_accuracy(similarity, same_person, folds, bootstrap.level).named("lfw_accuracy")


def view_target(
    target: Backbone, store: FaceStore, splits: pd.DataFrame, options: TargetOptions, compute: ComputeOptions
) -> dict[View, Backbone]:
    """The target as the only variant: `undefended`. Raises StaleTargetError."""
    check_trained_on_members(target, target_tasks(store, splits, options, compute))
    return {TARGET_VIEW: target}


def check_trained_on_members(target: Backbone, tasks: list[TrainingTask]) -> None:
    """Raise StaleTargetError if the target was trained here, and on other faces than those that are members now."""
    if any(target.card.training.get("data_hash") != task.data_hash for task in tasks):
        raise StaleTargetError(
            "The target was trained on other faces than the splits call members now: faces, splits or packing have "
            "changed since. Whatever were measured of it would be labeled wrong. Train it again: run the `target` "
            "pipeline, or `attack`, which holds it."
        )


def measure_utility(
    views: dict[View, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    options: TargetOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> Metrics:
    """Verification on people that no view was trained on: variant → utility; a bypassed view counts to its variant.

    With `target.utility.pairs`, the accuracy by LFW's protocol besides. For a loaded target `drawn_members`, the share
    of images that are called members by a draw: nobody knows whether it was trained on them.
    """
    from faceleak.reporting.verdict import read_utility

    pairs = read_unseen_pairs(store, splits, options.utility.pairs) if options.utility.pairs else None
    people = with_role(splits, "unseen_identity")[["image_id", "identity"]]
    measure = partial(
        measure_backbone,
        store=store,
        people=people,
        pairs=pairs,
        maximum_pairs=options.utility.maximum_pairs,
        bootstrap=bootstrap,
        compute=compute,
    )
    utilities: Metrics = {}
    for view, measured in zip(views, run_tasks(measure, list(views.values()), compute), strict=True):
        name = f"utility_after_{view.bypass}" if view.bypass else "utility"
        utilities.setdefault(view.variant, {})[name] = measured
        if useless := read_utility(measured):
            log.warning("%s: %s. Nothing can be concluded from attacks on it that find nothing.", view.name, useless)
    members = with_role(splits, "member")
    if options.source != "train" and len(members):
        drawn = float((members["decided_by"] == "draw").mean())
        utilities = {name: of | {"utility": of["utility"] | {"drawn_members": drawn}} for name, of in utilities.items()}
    return utilities


def measure_backbone(
    backbone: Backbone,
    store: FaceStore,
    people: pd.DataFrame,
    pairs: pd.DataFrame | None,
    maximum_pairs: int,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> dict[str, float | None]:
    """Verification of one backbone on images of people (image_id, identity); on LFW's pairs too where there are any.

    Besides, what shows that it does not work at all: how much embeddings vary, and the share of dead BN channels.
    """
    from faceleak.backbones.embedding import embed
    from faceleak.backbones.inventory import silent_channels

    embeddings = embed(backbone, store, people["image_id"], compute)
    measured = measure_verification(embeddings, people["identity"].to_numpy(), maximum_pairs, bootstrap)
    if (silent := silent_channels(backbone.net)) is not None:
        measured["silent_channels"] = silent
    if pairs is not None:
        measured |= measure_lfw_accuracy(backbone, store, pairs, bootstrap, compute)
    return measured
