"""One prior to train as a task of work: all that its weights depend on, and where it lies once it is there.

Its people are some of the public ones; the others it never sees.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.reconstruction.prior_training.options import GanOptions
from faceleak.work.compute import ComputeOptions, pick_device, training_dtype
from faceleak.work.tasks import code_version, fingerprint


class PriorTrainingError(FaceleakError):
    """A prior cannot be trained, or its training has failed."""


@dataclass(frozen=True)
class PriorTask:
    """A prior to train on `images`, which has the columns image_id and sha256."""

    store: FaceStore
    images: pd.DataFrame
    options: GanOptions
    compute: ComputeOptions

    @cached_property
    def ordered(self) -> pd.DataFrame:
        """The images in an order of their own, so that the order of the rows changes nothing."""
        return self.images.sort_values("sha256", ignore_index=True)

    @cached_property
    def data_hash(self) -> str:
        """Which images, as they are stored, in their order."""
        return fingerprint(self.store.as_stored(self.ordered)[["sha256"]])

    @cached_property
    def folder(self) -> Path:
        """Where everything about this prior lies: named by all that it depends on but how long it is trained."""
        precision = str(training_dtype(self.compute, pick_device(self.compute)))
        options = self.options.model_dump(mode="json", exclude={"images"})
        code = code_version("faceleak.reconstruction.prior_training.training")
        name = fingerprint(self.data_hash, options, precision, code)
        return self.compute.cache / "priors" / name

    def after(self, round_number: int) -> Path:
        """Where the prior lies as it is after this round (from 0)."""
        return self.folder / f"round_{round_number:05d}"

    def check(self) -> None:
        """Raise PriorTrainingError where there are fewer images than one batch."""
        if len(self.images) < self.options.batch_size:
            raise PriorTrainingError(
                f"A prior cannot be trained on {len(self.images)} images: one batch takes "
                f"{self.options.batch_size}. Give the role `public` more people (faces.splits.roles.public), or lower "
                "prior.training.batch_size; below a few hundred images a prior mostly repeats them."
            )


TRAINING, HELD_OUT = "training", "held_out"
FEWEST_PEOPLE = 4  # held out: with fewer there is no interval over people


def hold_out(images: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Give each image (image_id, identity, …) a `part`: `held_out` for `share` of the people, at least four of them.

    Raises PriorTrainingError where fewer people than that would be left for training.
    """
    people = np.sort(images["identity"].unique())
    count = max(FEWEST_PEOPLE, round(share * len(people)))
    if len(people) < count + FEWEST_PEOPLE:
        raise PriorTrainingError(
            f"The role `public` has {len(people)} people, and {count} of them would be held out: too few are left. "
            "Give it more people in faces.splits.roles.public, or lower prior.held_out_share."
        )
    chosen = np.random.default_rng(seed).permutation(people)[:count]
    part = np.where(images["identity"].isin(chosen), HELD_OUT, TRAINING)
    return images.assign(part=part)
