"""Distillation (arXiv 1503.02531) on public faces: a fresh backbone that imitates the target's embeddings.

It sees no member, only what the target says of other people; what the target learnt from members comes through as far
as it shows there. It recognizes less well, until its holder fine-tunes it.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydantic import Field

from faceleak.common.options import Options
from faceleak.work.checkpointed import CHECKPOINT, Resumable

if TYPE_CHECKING:
    from pathlib import Path

    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("finetuning",)
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
IMITATION = 1.3  # times a plain training step, for the teacher's forward pass besides (measured)


class Settings(Options):
    """How long the student learns."""

    epochs: int = Field(ge=1)
    """Passes over the public faces."""


def quantity(owner: "Owner", settings: Settings) -> float:
    """What `defend` takes, in images of a plain training."""
    return IMITATION * settings.epochs * len(owner.public)


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train a student of the target's architecture, or find it in the cache; go on from a checkpoint.

    Raises DefenseError with fewer than two public faces, and UnknownArchitectureError.
    """
    from faceleak.backbones.loading import CARD, load_backbone, save_backbone
    from faceleak.defenses.owner import DefenseError

    if len(owner.public) < 2:
        raise DefenseError(
            f"Distillation needs public faces, and there are {len(owner.public)}. Give the role `public` some people "
            "in parameters_faces.yml, or take the defense out of defense.variants."
        )
    run = _Distillation(owner, settings, seed)
    folder = run.folder()
    if not (folder / CARD).exists():
        run.restore(folder / CHECKPOINT, settings.epochs)
        run.train_until(settings.epochs, folder / CHECKPOINT, "Distilling", "epochs")
        save_backbone(run.student.eval(), folder)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return load_backbone(folder)


class _Distillation(Resumable):
    """Training a student on 1 − cosine (Adam, one cycle of the learning rate), from epoch to epoch."""

    def __init__(self, owner: "Owner", settings: Settings, seed: int) -> None:
        import numpy as np
        import torch

        from faceleak.work.compute import pick_device, training_dtype

        self.owner, self.settings, self.seed = owner, settings, seed
        self.positions = np.sort(owner.store.positions(owner.public["image_id"]))
        self.device = pick_device(owner.compute)
        self.dtype = training_dtype(owner.compute, self.device)
        self.random = np.random.default_rng(seed)
        self.teacher = deepcopy(owner.backbone).to(self.device).eval()
        student = _student(self.teacher, len(self.positions), int(self.random.integers(2**31)))
        self.student = student.to(self.device).train()
        self.batch_size = min(BATCH_SIZE, len(self.positions))
        self.steps = len(self.positions) // self.batch_size
        self.optimizer = torch.optim.Adam(self.student.parameters(), LEARNING_RATE)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, LEARNING_RATE, total_steps=settings.epochs * self.steps + 1
        )

    def folder(self) -> "Path":
        """Where the student lies once it is there: named by all that it depends on."""
        from faceleak.backbones.training_task import HASHED
        from faceleak.work.tasks import code_version, fingerprint

        teacher, store = self.owner.backbone, self.owner.store
        public = store.as_stored(self.owner.public.iloc[store.positions(self.owner.public["image_id"]).argsort()])
        parts = (public[HASHED], self.settings, self.seed, str(self.dtype), code_version(__name__))
        name = fingerprint(teacher.network_hash(), teacher.card, *parts)
        return self.owner.compute.cache / "distilled" / name

    def step(self) -> None:
        """Train one epoch."""
        import torch
        from torch.nn import functional

        from faceleak.backbones.augmentation import mirrored
        from faceleak.backbones.faces_input import face_batches

        order = self.random.permutation(self.positions)[: self.steps * self.batch_size]
        for batch in face_batches(self.owner.store, order, self.student.canvas, self.batch_size, self.device):
            faces = mirrored(batch, self.random)
            with torch.no_grad():
                wanted = self.teacher.net(self.teacher.preprocess(faces))
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                embeddings = self.student.net(self.student.preprocess(faces))
            loss = 1 - functional.cosine_similarity(embeddings.float(), wanted).mean()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": self.random.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.random.bit_generator.state = state["random"]


def _student(teacher: "Backbone", images: int, seed: int) -> "Backbone":
    from faceleak.backbones.architectures import build
    from faceleak.backbones.backbone import Backbone
    from faceleak.work.compute import seeded

    training = {"distilled_from": teacher.weights_hash(), "images": images}
    card = teacher.card.model_copy(update={"training": training})
    with seeded(seed):
        return Backbone(build(card), card)
