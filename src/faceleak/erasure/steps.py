"""Training steps from the target's own weights: what methods that change a backbone a little have in common."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from faceleak.backbones.arcface import ArcFaceHead, CosFaceHead
from faceleak.backbones.augmentation import augment
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import batch_norms
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.head import Head
from faceleak.erasure.request import ErasureError, Request, StepOptions
from faceleak.work.compute import keep_freed_memory, pick_device, seeded, training_dtype


@dataclass(frozen=True)
class Step:
    """One batch.

    head: of the k people who stay, with its margin. kept: (n, d) embeddings of them, of the classes (n,). erased:
    (m, d) embeddings of people to be erased, of whom person j in 0…e − 1 has the class center centers[j]; their
    numbers j are erased_classes (m,). m is 0 for a method that does without them.
    """

    head: ArcFaceHead
    kept: Tensor
    classes: Tensor
    erased: Tensor
    erased_classes: Tensor
    centers: Tensor

    def recognition(self) -> Tensor:
        """The loss of the training, of the people who stay."""
        loss: Tensor = self.head(self.kept, self.classes)
        return loss

    def erased_cosines(self) -> Tensor:
        """(m,) cosines of each erased image to the class center of its person."""
        own = functional.normalize(self.centers)[self.erased_classes]
        return (functional.normalize(self.erased) * own).sum(dim=1)

    def erased_loss(self) -> Tensor:
        """(m,) cross-entropies of the erased images among all people, with the margin of the training.

        Without a margin the loss of people who were learnt by heart is 0, and so is its gradient.
        """
        weights = functional.normalize(torch.cat([self.head.weight, self.centers]))
        classes = len(self.head.weight) + self.erased_classes
        logits = self.head.logits(functional.linear(functional.normalize(self.erased), weights), classes)
        return functional.cross_entropy(logits, classes, reduction="none")


def take_steps(
    request: Request,
    options: StepOptions,
    seed: int,
    loss: Callable[[Step], Tensor],
    reads_erased: bool = False,
    start: Backbone | None = None,
) -> Backbone:
    """Minimize `loss` over batches of the people who stay, from the target's weights and head, or those of `start`.

    reads_erased: with as many images of erased people in each step; they leave the BN statistics as they are. The
    result comes with the head of the people who stay. Raises ErasureError if the target was loaded or comes without
    its head, or the loss is no number any more.
    """
    keep_freed_memory()
    training, head = request.training(), request.head()
    then, device = training.options, pick_device(request.owner.compute)
    backbone = deepcopy(request.owner.backbone if start is None else start).to(device)
    kept, erased = _Faces(request, request.kept_images, head), _Faces(request, request.erased_images, head)
    make_head = CosFaceHead if then.loss == "cosface" else ArcFaceHead
    with seeded(0):  # the initial weights are overwritten, and the global generator is not to notice
        kept_head = make_head(len(kept.people), then.embedding_size, then.margin, head.scale)
    kept_head.weight.data = kept.rows(head)
    kept_head, centers = kept_head.to(device), erased.rows(head).to(device)
    batch = min(then.batch_size, len(kept.positions))
    parameters = [p for p in (*backbone.parameters(), *kept_head.parameters()) if p.requires_grad]
    decay, momentum = then.weight_decay, then.momentum
    optimizer = torch.optim.SGD(parameters, options.learning_rate, momentum, weight_decay=decay)
    dtype = training_dtype(request.owner.compute, device)
    statistics = list(batch_norms(backbone.net).values())
    value = torch.zeros(())
    for epoch in range(options.epochs):
        random, of_others = (np.random.default_rng([seed, epoch, which]) for which in (0, 1))
        order = random.permutation(len(kept.positions))
        order = order[: len(order) // batch * batch]
        others = of_others.integers(len(erased.positions), size=len(order)) if reads_erased else order[:0]
        of_erased = face_batches(training.store, erased.positions[others], backbone.canvas, batch, device)
        of_kept = face_batches(training.store, kept.positions[order], backbone.canvas, batch, device)
        with seeded(int(random.integers(2**31))):
            for number, faces in enumerate(of_kept):
                rows = slice(number * batch, (number + 1) * batch)
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    backbone.train()
                    embeddings = backbone(augment(faces, then, random)).float()
                    shown = embeddings[:0]
                    if reads_erased:
                        for layer in statistics:
                            layer.eval()
                        shown = backbone(augment(next(of_erased), then, of_others)).float()
                classes = torch.from_numpy(kept.classes[order[rows]]).to(device)
                erased_classes = torch.from_numpy(erased.classes[others[rows]]).to(device)
                value = loss(Step(kept_head, embeddings, classes, shown, erased_classes, centers))
                optimizer.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    if not torch.isfinite(value):
        raise ErasureError(f"The loss is {value.item()} after the last step. Lower the method's learning_rate.")
    backbone.head = Head(kept_head.weight.detach().cpu(), kept.people, head.scale)
    return backbone.cpu().eval()


class _Faces:
    """Where images lie in the store, and the numbers of their people, who are in the order of the head's rows."""

    def __init__(self, request: Request, images: pd.DataFrame, head: Head) -> None:
        shown = set(images["identity"].astype(str))
        if missing := shown - set(head.identities):
            raise ErasureError(
                f"The head of the target has no class for {len(missing)} of {len(shown)} people on whom it is said to "
                "have been trained. Give the head and the identities of this training."
            )
        self.people = tuple(name for name in head.identities if name in shown)
        numbers = {name: number for number, name in enumerate(self.people)}
        self.positions = request.owner.store.positions(images["image_id"])
        self.classes = images["identity"].astype(str).map(numbers).to_numpy(np.int64)

    def rows(self, head: Head) -> Tensor:
        """The rows of the head that are theirs."""
        return head.weight[[head.identities.index(name) for name in self.people]].detach().clone()
