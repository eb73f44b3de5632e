"""Training a backbone with ArcFace or CosFace on the images of a set of people, resumable after any epoch.

Same images, options and precision → same weights on the same kind of machine, interrupted or not: every epoch draws
its order and its augmentation from the seed and its own number. Several processes may train it together
(`compute.training_processes`); it is then the same but for rounding.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from faceleak.backbones.arcface import ArcFaceHead, CosFaceHead
from faceleak.backbones.architectures import build
from faceleak.backbones.augmentation import augment
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import batch_norms, bn_layers
from faceleak.backbones.data_parallel import WHOLE, Share, data_parallel, joined, mean_of_shares
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.head import Head
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training_task import HASHED, TrainingError, TrainingTask
from faceleak.work.checkpointed import CHECKPOINT, Resumable
from faceleak.work.compute import (
    ComputeOptions,
    WorkerError,
    keep_freed_memory,
    pick_device,
    run_tasks,
    run_together,
    seeded,
    training_dtype,
)

__all__ = ["TrainingError", "TrainingTask", "train", "train_backbones"]


def train_backbones(tasks: list[TrainingTask], compute: ComputeOptions) -> list[Backbone]:
    """Train each task that is not in the cache yet, in parallel if there are cores; return all, in order."""
    missing = {task.folder: task for task in tasks if not (task.folder / CARD).exists()}
    run_tasks(train, list(missing.values()), compute, compute.training_processes)
    return [load_backbone(task.folder) for task in tasks]


def train(task: TrainingTask) -> None:
    """Train one backbone and save it in the folder of the task, continuing from its checkpoint if there is one.

    Raises TrainingError if there are fewer than two people, fewer images than one batch, or a start that misfits.
    """
    task.check()
    processes = task.compute.training_processes
    if processes == 1:
        _train(task, WHOLE)
        return
    with TemporaryDirectory() as folder:
        try:
            run_together(partial(_train_share, task, Path(folder) / "meeting"), task.compute)
        except WorkerError as error:
            raise TrainingError(
                f"One of the {processes} processes that train {task.name} died, most often because memory ran out. "
                "Finished epochs are kept: lower compute.training_processes or batch_size and run the same command "
                "again."
            ) from error


def _train_share(task: TrainingTask, meeting: Path, rank: int) -> None:
    share = Share(rank, task.compute.training_processes)
    with joined(share, meeting, pick_device(task.compute)):
        _train(task, share)


def _train(task: TrainingTask, share: Share) -> None:
    keep_freed_memory()
    run, path, epochs = _Run(task, share), task.folder / CHECKPOINT, task.options.epochs
    run.restore(path, epochs)
    run.train_until(epochs, path, f"Training {task.name}", "epochs", writes=share.writes)
    if share.writes:
        save_backbone(run.result(), task.folder)
        path.unlink(missing_ok=True)


class _Step(nn.Module):
    """Faces (n, 3, height, width) and class numbers (n,) → loss (scalar)."""

    def __init__(self, backbone: Backbone, head: ArcFaceHead, dtype: torch.dtype) -> None:
        super().__init__()
        self.backbone, self.head, self.dtype = backbone, head, dtype

    def forward(self, faces: Tensor, classes: Tensor) -> Tensor:
        with torch.autocast(faces.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self.backbone(faces)
        loss: Tensor = self.head(embeddings, classes)
        return loss


class _Run(Resumable):
    """Training from epoch to epoch."""

    def __init__(self, task: TrainingTask, share: Share) -> None:
        self.task, self.share, options = task, share, task.options
        self.device = pick_device(task.compute)
        images = task.images.sort_values(HASHED)  # as in `data_hash`, so that the order of the rows changes nothing
        self.positions = task.store.positions(images["image_id"])
        codes, self.people = pd.factorize(images["identity"], sort=True)
        self.classes = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        card = task.card()
        with seeded(options.seed):
            self.backbone = Backbone(build(card), card)
            make_head = CosFaceHead if options.loss == "cosface" else ArcFaceHead
            head = make_head(len(self.people), options.embedding_size, options.margin, options.scale)
        if task.start is not None:
            self.backbone.net.load_state_dict(load_backbone(task.start).net.state_dict())
        self._check_shares()
        self.backbone, self.head = self.backbone.to(self.device), head.to(self.device)
        step = _Step(self.backbone, self.head, training_dtype(task.compute, self.device))
        self.loss_of = data_parallel(step, share)
        self.steps = len(self.positions) // options.batch_size  # an incomplete last batch is left out
        parameters = [p for p in (*self.backbone.parameters(), *self.head.parameters()) if p.requires_grad]
        self.optimizer = torch.optim.SGD(
            parameters, options.learning_rate, options.momentum, weight_decay=options.weight_decay
        )
        total_steps = max(1, options.epochs * self.steps)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            options.learning_rate,
            total_steps=total_steps,
            pct_start=0.0 if options.warmup_share * total_steps == 1 else options.warmup_share,  # torch divides by 0
            cycle_momentum=False,
        )
        self.losses = list[float]()

    def _check_shares(self) -> None:
        learns = not self.task.options.frozen_statistics and batch_norms(self.backbone.net)
        if self.share.processes > 1 and self.device.type == "cpu" and learns:
            raise TrainingError(
                f"{self.task.name} has batch normalization, and {self.share.processes} processes are to train it on "
                "the CPU: torch keeps its statistics together between GPUs alone. Set compute.training_processes to 1, "
                "or its normalization to `group`."
            )

    def step(self) -> None:
        """Train one epoch."""
        random = np.random.default_rng([self.task.options.seed, self.done])
        order = random.permutation(len(self.positions))[: self.steps * self.task.options.batch_size]
        self.backbone.train()
        if self.task.options.frozen_statistics:
            for layer in bn_layers(self.backbone.net).values():
                layer.eval()
        total = torch.zeros((), device=self.device)
        with seeded(int(random.integers(2**31)) + self.share.rank):
            for faces, classes in self._batches(order, random):
                loss = self.loss_of(faces, classes)
                total += loss.detach()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
        last, total_of_all = mean_of_shares(torch.stack([loss.detach(), total]), self.share).tolist()
        if not math.isfinite(last):
            raise TrainingError(
                f"The loss of {self.task.name} is {last} after epoch {self.done + 1}. Lower its learning_rate."
            )
        self.losses.append(total_of_all / self.steps)

    def _batches(self, order: "np.ndarray", random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        canvas, options, share = self.backbone.canvas, self.task.options, self.share
        own, images = share.positions(order, options.batch_size), options.batch_size // share.processes
        batches = face_batches(self.task.store, self.positions[own], canvas, images, self.device)
        for number, faces in enumerate(batches):
            classes = self.classes[own[number * images : (number + 1) * images]]
            yield augment(faces, options, random, share), classes

    def result(self) -> Backbone:
        weight = self.head.weight.detach().cpu()
        self.backbone.head = Head(weight, tuple(map(str, self.people)), self.task.options.scale)
        card = self.backbone.card
        self.backbone.card = card.model_copy(update={"training": {**card.training, "losses": self.losses}})
        return self.backbone

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler]:
        return {"net": self.backbone.net, "head": self.head, "optimizer": self.optimizer, "schedule": self.schedule}

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses, **{name: part.state_dict() for name, part in self._parts().items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.losses = list(state["losses"])
