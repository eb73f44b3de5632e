"""Training a backbone with ArcFace on the images of a set of people, resumable after any epoch.

Same images, options and precision → same weights on the same kind of machine, interrupted or not: every epoch draws
its order and its augmentation from the seed and its own number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from faceleak.backbones.arcface import ArcFaceHead
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training_options import TrainingOptions
from faceleak.compute import ComputeOptions, keep_freed_memory, pick_device, run_pieces, seeded, training_dtype
from faceleak.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.pieces import code_version, fingerprint, writing
from faceleak.progress import track

CHECKPOINT = "checkpoint.pt"
HASHED = ["sha256", "identity"]
CODE = tuple(
    f"faceleak.backbones.{module}"
    for module in ("training", "arcface", "architectures", "iresnet", "backbone", "faces_input")
)


class TrainingError(FaceleakError):
    """Training cannot start or has failed."""


@dataclass(frozen=True)
class TrainingPiece:
    """One backbone to train: `images` has the columns image_id, identity and sha256."""

    name: str
    store: FaceStore
    images: pd.DataFrame
    options: TrainingOptions
    compute: ComputeOptions
    cache: Path

    @property
    def data_hash(self) -> str:
        """Which images, and who is on them."""
        return fingerprint(self.images[HASHED].sort_values(HASHED))

    @property
    def folder(self) -> Path:
        """Where the result lies once it is there: named by everything that it depends on."""
        precision = str(training_dtype(self.compute, pick_device(self.compute)))
        return self.cache / fingerprint(self.data_hash, self.options, precision, code_version(*CODE))


def train_backbones(pieces: list[TrainingPiece], compute: ComputeOptions) -> list[Backbone]:
    """Train each piece that is not in the cache yet, in parallel where there are cores; return all, in order."""
    missing = {piece.folder: piece for piece in pieces if not (piece.folder / CARD).exists()}
    run_pieces(train, list(missing.values()), compute)
    return [load_backbone(piece.folder) for piece in pieces]


def train(piece: TrainingPiece) -> None:
    """Train one backbone and save it in the folder of the piece, continuing from its checkpoint if there is one.

    Raises TrainingError where there are fewer than two people or fewer images than one batch.
    """
    _check(piece)
    keep_freed_memory()
    run = _begin(piece)
    epochs = range(run.next_epoch, piece.options.epochs)
    for epoch in track(epochs, f"Training {piece.name}", len(epochs), "epochs"):
        run.train_epoch(epoch)
        run.save_checkpoint(epoch)
    save_backbone(run.backbone, piece.folder)
    (piece.folder / CHECKPOINT).unlink(missing_ok=True)


def _check(piece: TrainingPiece) -> None:
    people, images = piece.images["identity"].nunique(), len(piece.images)
    if people < 2 or images < piece.options.batch_size:
        raise TrainingError(
            f"{piece.name} cannot be trained on {images} images of {people} people: it takes at least two people and "
            f"one batch of {piece.options.batch_size} images. Give it more people, or lower its batch_size."
        )


def _begin(piece: TrainingPiece) -> "_Run":
    """Go on from the checkpoint; start anew without one, or with one that cannot be read."""
    run, path = _Run(piece), piece.folder / CHECKPOINT
    if not path.exists():
        return run
    try:
        run.restore(path)
    except Exception:  # readers of damaged files raise whatever they stumble on, when a part is restored already
        path.unlink()
        return _Run(piece)
    return run


class _Run:
    """The state that training carries from step to step."""

    def __init__(self, piece: TrainingPiece) -> None:
        self.piece, options = piece, piece.options
        self.device = pick_device(piece.compute)
        self.dtype = training_dtype(piece.compute, self.device)
        images = piece.images.sort_values(HASHED)  # as in `data_hash`, so that the order of the rows changes nothing
        self.positions = piece.store.positions(images["image_id"])
        codes, people = pd.factorize(images["identity"], sort=True)
        self.classes = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        with seeded(options.seed):
            self.backbone = Backbone(build(_card(piece)), _card(piece)).to(self.device)
            self.head = ArcFaceHead(len(people), options.embedding_size, options.margin, options.scale).to(self.device)
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
        self.next_epoch = 0

    def train_epoch(self, epoch: int) -> None:
        random = np.random.default_rng([self.piece.options.seed, epoch])
        order = random.permutation(len(self.positions))[: self.steps * self.piece.options.batch_size]
        self.backbone.train()
        with seeded(int(random.integers(2**31))):
            for faces, classes in self._batches(order, random):
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    embeddings = self.backbone(faces)
                loss = self.head(embeddings, classes)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss of {self.piece.name} is {loss.item()} after epoch {epoch + 1}. Lower its learning_rate."
            )

    def _batches(self, order: "np.ndarray", random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        size, batch_size = self.piece.options.image_size, self.piece.options.batch_size
        batches = face_batches(self.piece.store, self.positions[order], size, batch_size, self.device)
        for number, faces in enumerate(batches):
            classes = self.classes[order[number * batch_size : (number + 1) * batch_size]]
            yield (_mirrored(faces, random) if self.piece.options.horizontal_flip else faces), classes

    def _state(self) -> dict[str, nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler]:
        return {"net": self.backbone.net, "head": self.head, "optimizer": self.optimizer, "schedule": self.schedule}

    def save_checkpoint(self, epoch: int) -> None:
        with writing(self.piece.folder / CHECKPOINT) as partial:
            torch.save({"epoch": epoch, **{name: part.state_dict() for name, part in self._state().items()}}, partial)

    def restore(self, path: Path) -> None:
        checkpoint = torch.load(path, map_location=self.device, weights_only=True)
        for name, part in self._state().items():
            part.load_state_dict(checkpoint[name])
        self.next_epoch = int(checkpoint["epoch"]) + 1


def _mirrored(faces: Tensor, random: np.random.Generator) -> Tensor:
    chosen = torch.from_numpy(random.random(len(faces)) < 0.5).to(faces.device)
    return torch.where(chosen[:, None, None, None], faces.flip(3), faces)


def _card(piece: TrainingPiece) -> BackboneCard:
    options = piece.options
    return BackboneCard(
        architecture=options.architecture,
        embedding_size=options.embedding_size,
        preprocessing=Preprocessing(image_size=options.image_size),
        training={"data_hash": piece.data_hash, "images": len(piece.images), **options.model_dump(mode="json")},
    )
