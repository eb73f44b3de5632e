"""Distillation (arXiv 1503.02531) on public faces: a fresh backbone that imitates the target's embeddings.

It sees no member, only what the target says of other people; what the target learnt from members comes through as far
as it shows there. It recognises less well, until whoever holds it fine-tunes it.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

UNDOINGS = ("finetuning",)
BATCH_SIZE = 64
LEARNING_RATE = 3e-3


class Settings(Options):
    """`epochs`: passes over the public faces."""

    epochs: int = Field(ge=1)


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train a student of the target's architecture on 1 − cosine (Adam, one cycle of the learning rate).

    Raises DefenseError with fewer than two public faces, and UnknownArchitectureError.
    """
    import numpy as np
    import torch
    from torch.nn import functional

    from faceleak.backbones.augmentation import mirrored
    from faceleak.backbones.faces_input import face_batches
    from faceleak.compute import pick_device, training_dtype
    from faceleak.defenses.owner import DefenseError
    from faceleak.progress import track

    positions = np.sort(owner.store.positions(owner.public["image_id"]))
    if len(positions) < 2:
        raise DefenseError(
            f"Distillation needs public faces, and there are {len(positions)}. Give the role `public` some people in "
            "parameters_faces.yml, or take the defence out of defense.variants."
        )
    device = pick_device(owner.compute)
    dtype = training_dtype(owner.compute, device)
    random = np.random.default_rng(seed)
    teacher = deepcopy(owner.backbone).to(device).eval()
    student = _student(teacher, len(positions), int(random.integers(2**31))).to(device).train()
    batch_size = min(BATCH_SIZE, len(positions))
    steps = len(positions) // batch_size
    optimizer = torch.optim.Adam(student.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=settings.epochs * steps + 1)
    for _ in track(range(settings.epochs), "Distilling", settings.epochs, "epochs"):
        order = random.permutation(positions)[: steps * batch_size]
        for faces in face_batches(owner.store, order, student.canvas, batch_size, device):
            faces = mirrored(faces, random)  # noqa: PLW2901
            with torch.no_grad():
                wanted = teacher.net(teacher.preprocess(faces))
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                embeddings = student.net(student.preprocess(faces))
            loss = 1 - functional.cosine_similarity(embeddings.float(), wanted).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return student.eval()


def _student(teacher: "Backbone", images: int, seed: int) -> "Backbone":
    from faceleak.backbones.architectures import build
    from faceleak.backbones.backbone import Backbone
    from faceleak.compute import seeded

    training = {"distilled_from": teacher.weights_hash(), "images": images}
    card = teacher.card.model_copy(update={"training": training})
    with seeded(seed):
        return Backbone(build(card), card)
