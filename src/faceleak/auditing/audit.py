"""`faceleak.audit`: stage 1 on a backbone and faces that are at hand, step by step as the pipelines run it."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.auditing import faces as faces_nodes
from faceleak.auditing import membership, target
from faceleak.auditing.given import PARTS, GivenBackbone, GivenError, GivenFaces, open_backbone, open_faces
from faceleak.auditing.result import Audit
from faceleak.auditing.settings import Attacks, Settings, SettingsError, make_settings, share_of_public_people
from faceleak.common.trees import merge_metrics
from faceleak.common.words import counted
from faceleak.faces.packing import Packing
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import TARGET_VIEW
from faceleak.membership.scoring import score_blind
from faceleak.metrics.verification import MINIMUM_PEOPLE
from faceleak.work.compute import ComputeOptions, worker_count

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone

FEWEST = {"members": 4, "others": MINIMUM_PEOPLE, "auxiliary": 2, "public": 1}  # people
LEAST_CLASSES = 2  # of a training
STORE = "faces.arrow"

log = logging.getLogger(__name__)


def audit(
    backbone: "GivenBackbone",
    *,
    members: GivenFaces,
    others: GivenFaces,
    auxiliary: GivenFaces,
    same_identity: GivenFaces | None = None,
    public: GivenFaces | None = None,
    preprocessing: Any = None,
    attacks: Attacks | None = None,
    settings: Mapping[str, Any] | None = None,
    cache: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
) -> Audit:
    """Return what attacks on membership find in a backbone: verdict, table of attacks, scores by image, figures, page.

    Faces are a folder with one folder a person, `faceleak.Faces(images, people)`, or a packed store. Nothing is written
    but into `cache`, and neither faces nor backbone are changed.

    Args:
        backbone: a `torch.nn.Module` that turns images (n, 3, height, width) into embeddings (n, size), what
            `faceleak.load_backbone` returns, or a folder that faceleak wrote.
        members: images that the backbone was trained on.
        others: people whom it was not trained on.
        auxiliary: faces of the attacker's own, of yet other people: reference backbones are trained on them.
        same_identity: other images of members, under the same names, which it was not trained on. They show whether an
            attack tells single images apart, or people only.
        public: faces that everybody may use, with which images are compared; some of the auxiliary people without them.
        preprocessing: how a `torch.nn.Module` is fed: a name such as `"arcface"`, or a dict with `image_size`,
            `color_order`, `mean` and `std`.
        attacks: names of attacks of `conf/base`, of which those are made that can be made on this backbone; or attacks
            by name as `membership.attacks` in the configuration holds them, which are refused where one cannot be made.
            Without it, all of `conf/base` that can be made.
        settings: blocks of the configuration that are to be other than in `conf/base`: `membership`, `faces.splits`,
            `bootstrap`, `compute`, `target.utility`, and so on. An unknown key is refused.
        cache: a folder for what was expensive to make, which a second audit finds again; a temporary one without it.
        device: `auto`, `cpu` or `cuda`.
        seed: added to the seeds of `conf/base`, so that another number gives another draw.

    Raises:
        FaceleakError: what is wrong with the faces, the backbone or a setting, in one message, before any training.
    """
    if not isinstance(settings, Mapping | None):
        raise SettingsError(f"`settings` is {settings!r}, but it holds blocks by name: a dict.")
    if not isinstance(seed, int):
        raise SettingsError(f"`seed` is {seed!r}, but it is a whole number.")
    if cache is not None and Path(cache).is_file():
        raise SettingsError(f"`cache` is {cache}, which is a file. Name a folder.")
    given = {"members": members, "same_identity": same_identity, "others": others}
    source = open_faces(given | {"auxiliary": auxiliary, "public": public})
    audited = open_backbone(backbone, preprocessing)
    with _folder(cache) as folder:
        arguments = (audited.card, settings or {}, attacks, folder, device, seed)
        found = make_settings(*arguments)
        _check_script(found.compute)
        faces = found.faces
        packing = Packing(
            source, faces.quarantine, found.compute, faces.validation.minimum_size, faces.validation.maximum_size
        )
        packing.into(folder / STORE)
        store = FaceStore(folder / STORE)
        roles = _count_roles(store.manifest(), faces.validation.minimum_images_per_identity, public is not None)
        settled = make_settings(*arguments, roles=roles)
        return _run(audited, store, settled, by_default=not isinstance(attacks, Mapping))


@contextmanager
def _folder(cache: str | Path | None) -> Iterator[Path]:
    if cache is None:
        with TemporaryDirectory(prefix="faceleak-") as temporary:
            yield Path(temporary)
        return
    folder = Path(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"`cache`: {folder} cannot be written to ({error.strerror}). Name another one.") from error
    yield folder


def _check_script(compute: ComputeOptions) -> None:
    """Raise SettingsError where workers would run the user's script once more, each from its beginning."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None or worker_count(compute, tasks=2) == 1:
        return
    with suppress(OSError):
        if "__name__" not in Path(script).read_text(errors="replace"):
            raise SettingsError(
                f"compute.workers is {compute.workers!r}, and each worker process would run {script} from its "
                'beginning. Put the call of faceleak.audit below `if __name__ == "__main__":`, or leave workers out.'
            )


def _count_roles(manifest: pd.DataFrame, fewest_images: int, has_public: bool) -> dict[str, Any]:
    """Return how many people play each role: all who have images enough. Raises GivenError where they are too few."""
    part = manifest["source"].map(lambda name: PARTS[name].people_of or name)
    images = manifest.assign(part=part).groupby(["part", "identity"]).size()
    counts = {part: int((of_part >= fewest_images).sum()) for part, of_part in images.groupby(level="part")}
    if few := int((images < fewest_images).sum()):
        log.warning("%d people have fewer than %d images, and play no part.", few, fewest_images)
    needed = {name: FEWEST[name] for name in FEWEST if name != "public" or has_public}
    if not has_public:
        needed["auxiliary"] += FEWEST["public"]
    for name, fewest in needed.items():
        if (people := counts.get(name, 0)) < fewest:
            raise GivenError(
                f"`{name}` has {people} people with {fewest_images} images or more, and an audit takes {fewest} at "
                "least. Give more people."
            )
    own = counts["auxiliary"]
    public = counts["public"] if has_public else max(1, round(share_of_public_people() * own))
    wanted = {
        "member": "all",
        "unseen_identity": counts["others"],
        "auxiliary": own if has_public else own - public,
        "public": public,
    }
    return {role: {"people": number, "minimum_images": fewest_images} for role, number in wanted.items()}


def _check_references(drawn: pd.DataFrame, batch_size: int) -> None:
    """Raise GivenError where a reference backbone would have less than one batch to train on."""
    for _, images in drawn[drawn["is_member"]].groupby("reference", sort=False):
        if (people := images["identity"].nunique()) < LEAST_CLASSES or len(images) < batch_size:
            raise GivenError(
                f"`auxiliary` leaves a reference backbone {counted(len(images), 'image')} of "
                f"{counted(people, 'person', 'people')} to train on, and it takes two people and one batch of "
                f"{batch_size} images. Give more people or images of them, or smaller batches: settings="
                '{"membership": {"references": {"training": {"batch_size": …}}}}.'
            )


def _run(audited: "Backbone", store: FaceStore, settings: Settings, by_default: bool) -> Audit:
    """Return the result of all steps. by_default: attacks of `conf/base` that cannot be made are left out."""
    compute, bootstrap, faces = settings.compute, settings.bootstrap, settings.faces
    manifest = faces_nodes.list_faces(store)
    quarantine = faces_nodes.list_quarantine(store)
    drawn = faces_nodes.split_faces(manifest, faces)
    copies, proposed = faces_nodes.look_for_copies(store, drawn, faces)
    validation, _ = faces_nodes.validate_faces(store, manifest, proposed, copies, faces)
    splits = faces_nodes.accept_splits(proposed, validation)

    options, left_out = membership.readable_attacks(audited, settings.membership, by_default)
    for sentence in left_out:
        log.warning(sentence)
    settings = settings.model_copy(update={"membership": options})
    drawn_references = membership.split_references(splits, options)
    _check_references(drawn_references, options.references.training.batch_size)
    inventory = target.inspect_target(audited)
    views = {TARGET_VIEW: audited}
    fed = target.compare_preprocessing(audited, store, splits, settings.target, bootstrap, compute)
    utility = target.measure_utility(views, store, splits, settings.target, bootstrap, compute)

    references = membership.train_references(store, drawn_references, options, compute)
    reference_signals = membership.read_reference_signals(references, store, splits, drawn_references, options, compute)
    calibration = membership.read_calibration_signals(references, store, splits, options, compute)
    blind_signals = membership.read_blind_signals(calibration, references, store, splits, options, compute)
    blind_scores = score_blind(blind_signals, splits, options)
    signals = membership.read_view_signals(views, store, splits, options, compute)
    tables = signals, reference_signals, calibration, splits
    fitted = membership.fit_attacks(*tables, options, options.threat_models, compute)
    scores = membership.score_images(signals, calibration, fitted, splits, settings.attackers)
    measured = membership.measure_membership(scores, blind_scores, options, bootstrap, compute)
    return Audit(
        metrics=merge_metrics(utility, measured),
        scores=scores,
        blind_scores=blind_scores,
        signals=signals,
        splits=splits,
        left_out=tuple(left_out),
        configuration=settings.configuration(),
        card=audited.card.model_dump(mode="json"),
        people=faces_nodes.draw_sample(store, splits),
        trees={"faces_validation": validation, "inventory": inventory},
        tables={
            "copies": copies,
            "quarantine": quarantine,
            "preprocessing_check": fed,
            "subgroups": membership.measure_subgroups(scores, options, bootstrap),
        },
    )
