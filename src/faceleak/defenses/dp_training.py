"""Fine-tuning of a public start on the private people with differential privacy (DP-SGD; De et al., arXiv 2204.13650).

BN statistics stay those of the public people. Scale and bias of the normalization layers, or more, and an ArcFace head
over the private people learn; every gradient of an image or of a whole person is clipped, over the head's rows too,
and only noisy sums are used. The head is not released. The card holds the claim, and says what it does not cover.
Nothing is released if the claim would not hold: see `private.errors.ClaimError`.
"""

from typing import TYPE_CHECKING

from faceleak.defenses import public_start
from faceleak.defenses.private.settings import PrivateSettings as Settings

if TYPE_CHECKING:
    from pathlib import Path

    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training import TrainingTask
    from faceleak.defenses.owner import Owner

__all__ = ["BYPASSES", "Settings", "defend", "quantity", "tasks"]

BYPASSES = ("bn_reestimation",)
PRIVATE_STEP = 4.0  # times a plain training step where all layers learn, by gradients of single images (2.7 to 4.8)
PRIVATE_STEP_OF_FEW = 1.6  # where few layers learn (1.2 to 1.9)


def tasks(owner: "Owner", settings: Settings, seed: int) -> "list[TrainingTask]":  # noqa: ARG001
    """The public start, the same for every setting and seed. Raises DefenseError if the target was loaded."""
    return public_start.tasks(owner, public_start.Settings(), seed=0)


def quantity(owner: "Owner", settings: Settings) -> float:  # noqa: ARG001
    """What `defend` takes after the public start, in images of a plain training (measured on two cores)."""
    images = settings.images_per_unit if settings.unit == "identity" else 1
    step = PRIVATE_STEP if settings.trainable == "all" else PRIVATE_STEP_OF_FEW
    return step * settings.steps * settings.units_per_step * settings.views * images


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train privately, or find the result in the cache; continue from a checkpoint where there is one.

    Raises DefenseError if the target was loaded or training fails, and ClaimError if ε would not be true.
    """
    from faceleak.backbones.loading import CARD, load_backbone, save_backbone
    from faceleak.backbones.training import train_backbones
    from faceleak.defenses.private.checks import check_start
    from faceleak.defenses.private.sampling import make_units
    from faceleak.defenses.private.training import PrivateRun
    from faceleak.work.checkpointed import CHECKPOINT
    from faceleak.work.compute import keep_freed_memory

    target, start_task = owner.trained_here(), tasks(owner, settings, seed)[0]
    start = train_backbones([start_task], owner.compute)[0]
    check_start(start.card.training, start_task.images, target.images, target.data_hash)
    folder = _folder(owner, start, settings, seed)
    if not (folder / CARD).exists():
        keep_freed_memory()
        units = make_units(target.images, target.store, settings.unit)
        run = PrivateRun(start, units, target.store, settings, target.options, owner.compute, seed)
        run.train(folder / CHECKPOINT)
        training = {
            "data_hash": target.data_hash,
            "images": len(target.images),
            "start": start.card.training,
            "settings": settings.model_dump(mode="json"),
        }
        if settings.epsilon is not None:
            training["privacy"] = run.claim()
        save_backbone(run.result(training), folder)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return load_backbone(folder)


def _folder(owner: "Owner", start: "Backbone", settings: Settings, seed: int) -> "Path":
    from faceleak.work.tasks import code_version, fingerprint

    target = owner.trained_here()
    loss = [target.options.margin, target.options.scale]
    parts = (target.data_hash, start.network_hash(), loss, settings, seed, code_version(__name__))
    return owner.compute.cache / "private" / fingerprint(*parts)
