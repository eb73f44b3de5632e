"""Training a prior round by round, resumable after any of them.

Same images, options and precision → same weights on the same kind of machine, interrupted or not: every round draws
its order, latents and augmentation from the seed and its own number, so the position is all that there is to keep of
the state of the random generators.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.backbones.augmentation import mirrored
from faceleak.backbones.faces_input import face_batches
from faceleak.reconstruction.prior_training.gan import LOSSES, Gan
from faceleak.reconstruction.prior_training.task import PriorTask, PriorTrainingError
from faceleak.reconstruction.prior_training.trained import (
    CARD,
    PriorCard,
    TrainedPrior,
    load_trained_prior,
    save_trained_prior,
)
from faceleak.work.checkpointed import CHECKPOINT, Resumable
from faceleak.work.compute import keep_freed_memory, pick_device, seeded, training_dtype
from faceleak.work.progress import track


def train_prior(task: PriorTask) -> TrainedPrior:
    """Train the prior, or find it in the cache. Raises PriorTrainingError."""
    *_, last = rounds(task)
    return last


def rounds(task: PriorTask) -> Iterator[TrainedPrior]:
    """Yield the prior as it is after each round: found in the cache, or trained as soon as it is asked for.

    The last one is the result. Raises PriorTrainingError where there are fewer images than one batch, or a loss is no
    number.
    """
    task.check()
    keep_freed_memory()
    run, path = None, task.folder / CHECKPOINT
    for number in range(task.options.rounds):
        if not (task.after(number) / CARD).exists():
            if run is None:
                run = _Run(task)
                run.restore(path, at_most=number)
            run.train_until(number + 1, path)
        yield load_trained_prior(task.after(number), pick_device(task.compute))


class _Run(Resumable):
    """Training from round to round."""

    def __init__(self, task: PriorTask) -> None:
        self.task = task
        self.device = pick_device(task.compute)
        self.positions = task.store.positions(task.ordered["image_id"])
        self.gan = Gan(task.options, self.device, training_dtype(task.compute, self.device))

    def step(self) -> None:
        """Show the images of one round, and keep the prior that comes of it."""
        number, options = self.done, self.task.options
        random = np.random.default_rng([options.seed, number])
        with seeded(int(random.integers(2**31))):
            losses = [
                self.gan.step(real, step % 4, options.images_shown(number) + step * options.batch_size)
                for step, real in enumerate(self._batches(number, random), start=1)
            ]
        means = torch.stack(losses).mean(0).tolist()
        if not np.isfinite(means).all():
            raise PriorTrainingError(
                f"The losses of the prior are {means} in round {number + 1}. Lower prior.training.learning_rate."
            )
        save_trained_prior(self._prior(number + 1, dict(zip(LOSSES, means, strict=True))), self.task.after(number))

    def _batches(self, number: int, random: np.random.Generator) -> Iterator[Tensor]:
        """Batches (batch_size, 3, size, size) of training images in −1…1."""
        options = self.task.options
        order = _endless_order(len(self.positions), options.images_shown(1), random)
        batches = face_batches(
            self.task.store, self.positions[order], options.image_size, options.batch_size, self.device
        )
        description = f"Training a prior, round {number + 1} of {options.rounds}"
        for faces in track(batches, description, options.steps, "steps"):
            yield (mirrored(faces, random) if options.horizontal_flip else faces) * 2 - 1

    def _prior(self, number: int, losses: dict[str, float]) -> TrainedPrior:
        """The prior as it is now, after so many rounds."""
        options, adaptation = self.task.options, self.gan.adaptation
        training = {"images": len(self.positions), "data_hash": self.task.data_hash}
        state = {
            "images_shown": options.images_shown(number),
            "augmentation": adaptation.probability,
            "overfitting": adaptation.overfitting,
            **losses,
        }
        card = PriorCard(
            image_size=options.image_size,
            latent_size=options.latent_size,
            width=options.generator_width,
            training=training | options.model_dump(mode="json", exclude={"images"}),
            state=state,
        )
        return TrainedPrior(self.gan.settled(), card)

    def state_dict(self) -> dict[str, Any]:
        return self.gan.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.gan.load_state_dict(state)


def _endless_order(images: int, length: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Places of `length` images: every image once in an order of its own, then every one again in another."""
    return np.concatenate([random.permutation(images) for _ in range(-(-length // images))])[:length]
