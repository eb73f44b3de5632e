"""A backbone to train, as a cached task: all that its weights depend on, and the path of the result."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from faceleak.backbones.architectures import source_module
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.loading import CARD, WEIGHTS, read_card
from faceleak.backbones.training_options import TrainingOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.words import counted
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, pick_device, training_dtype
from faceleak.work.tasks import code_version, fingerprint

HASHED = ["sha256", "identity"]


class TrainingError(FaceleakError):
    """Training cannot start or has failed."""


@dataclass(frozen=True)
class TrainingTask:
    """One backbone to train: `images` has the columns image_id, identity and sha256.

    start: the folder of a saved backbone from whose weights and preprocessing training goes on.
    """

    name: str
    store: FaceStore
    images: pd.DataFrame
    options: TrainingOptions
    compute: ComputeOptions
    cache: Path
    start: Path | None = None

    @cached_property
    def data_hash(self) -> str:
        """Which images, as they are stored, in the order of training, and who is on them."""
        return fingerprint(self.store.as_stored(self.images.sort_values(HASHED))[HASHED])

    @cached_property
    def folder(self) -> Path:
        """Where the result lies once it is there: named by everything that it depends on. Raises BackboneError.

        Threads and processes are no part of it: with other numbers of them the result differs only by rounding.
        """
        precision = str(training_dtype(self.compute, pick_device(self.compute)))
        code = code_version("faceleak.backbones.training", source_module(self.options.architecture))
        return self.cache / fingerprint(self.data_hash, self.options, precision, code, *self._start_parts())

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the backbone is."""
        return self.folder / CARD

    @property
    def quantity(self) -> int:
        """Images that all training steps see together; an incomplete last batch of an epoch is left out."""
        return self.options.epochs * (len(self.images) // self.options.batch_size) * self.options.batch_size

    def _start_parts(self) -> list[Any]:
        if self.start is None:
            return []
        card = read_card(self.start)
        if not (self.start / WEIGHTS).is_file():
            raise TrainingError(
                f"{self.name} cannot start from {self.start}: {WEIGHTS} is missing. Train that backbone again, or give "
                "another start."
            )
        return [self.start / WEIGHTS, card.of_forward_pass()]

    def card(self) -> BackboneCard:
        """The card of the backbone to be trained; `training` holds that of the start too."""
        options, preprocessing = self.options, Preprocessing(image_size=self.options.image_size)
        arguments, start = {}, {}
        if self.start is not None:
            before = read_card(self.start)
            preprocessing, arguments = before.preprocessing, before.arguments
            start = {"start": {"weights": fingerprint(self.start / WEIGHTS), **before.training}}
        return BackboneCard(
            architecture=options.architecture,
            arguments=arguments,
            embedding_size=options.embedding_size,
            preprocessing=preprocessing,
            normalization=options.normalization,
            training={
                "data_hash": self.data_hash,
                "images": len(self.images),
                **options.model_dump(mode="json"),
                **start,
            },
        )

    def check(self) -> None:
        """Raise TrainingError if there is too little to train on, or processes or start do not fit."""
        people, images = self.images["identity"].nunique(), len(self.images)
        if people < 2 or images < self.options.batch_size:
            raise TrainingError(
                f"{self.name} cannot be trained on {counted(images, 'image')} of "
                f"{counted(people, 'person', 'people')}: it takes at least two people "
                f"and one batch of {self.options.batch_size} images. Give it more people, or lower its batch_size."
            )
        if self.options.batch_size % self.compute.training_processes:
            raise TrainingError(
                f"{self.name} has a batch_size of {self.options.batch_size}, which {self.compute.training_processes} "
                "processes cannot share equally. Change compute.training_processes or its batch_size."
            )
        if self.start is not None:
            self._check_start(self.start)

    def _check_start(self, start: Path) -> None:
        card, options = read_card(start), self.options
        both = {
            "architecture": (card.architecture, options.architecture),
            "normalization": (card.normalization, options.normalization),
            "image_size": (card.preprocessing.image_size, options.image_size),
            "embedding_size": (card.embedding_size, options.embedding_size),
        }
        if misfits := [f"{name} {found}, not {asked}" for name, (found, asked) in both.items() if found != asked]:
            raise TrainingError(
                f"{self.name} cannot start from {start}, which has {', '.join(misfits)}. Give the training options "
                "that the start has, or another start."
            )
