"""The sample of a step: units of privacy, drawn by Poisson sampling, and views of their images.

A unit is what is added or removed as a whole between neighboring data sets, an image or a person. What was drawn is
recorded, to be checked afterwards. Several views of an image are averaged within its unit: augmentation multiplicity
(De et al., arXiv 2204.13650).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from faceleak.defenses.private.settings import Unit
from faceleak.faces.store import FaceStore


@dataclass(frozen=True)
class Units:
    """members[i]: rows of unit i; positions in the store and classes (people) of all rows."""

    members: list[NDArray[np.int64]]
    positions: NDArray[np.int64]
    classes: Tensor

    def __len__(self) -> int:
        return len(self.members)


def make_units(images: pd.DataFrame, store: FaceStore, unit: Unit) -> Units:
    """One unit an image, or all of a person's images. The order of the rows of `images` changes nothing."""
    images = images.sort_values(["sha256", "identity"])
    codes = pd.factorize(images["identity"], sort=True)[0].astype(np.int64)
    rows = np.arange(len(images))
    members = (
        [rows[codes == person] for person in range(codes.max() + 1)] if unit == "identity" else list(rows[:, None])
    )
    return Units(members, store.positions(images["image_id"]), torch.from_numpy(codes))


def choose_images(units: Units, drawn: Tensor, at_most: int, random: torch.Generator) -> list[NDArray[np.int64]]:
    """Rows of each drawn unit, `at_most` of them, chosen at random if it has more."""
    chosen = []
    for unit in drawn.tolist():
        rows = units.members[unit]
        if len(rows) > at_most:
            rows = rows[np.sort(torch.randperm(len(rows), generator=random)[:at_most].numpy())]
        chosen.append(rows)
    return chosen


def whole_units(chosen: list[NDArray[np.int64]], size: int) -> Iterator[list[NDArray[np.int64]]]:
    """Micro-batches of whole units, at most `size` images in each (or one unit that has more)."""
    batch: list[NDArray[np.int64]] = []
    for rows in chosen:
        if batch and sum(map(len, batch)) + len(rows) > size:
            yield batch
            batch = []
        batch.append(rows)
    if batch:
        yield batch


@dataclass(frozen=True)
class PoissonSampler:
    """Draws each of `units` by itself with probability `rate`: batches differ in size, and may be empty."""

    units: int
    rate: float
    random: torch.Generator

    def draw(self) -> Tensor:
        """Numbers of the drawn units (any,), in order."""
        return torch.nonzero(torch.rand(self.units, generator=self.random, dtype=torch.float64) < self.rate).flatten()


@dataclass
class DrawRecord:
    """How many units each step drew, and how often each unit was drawn (units,). Private: it is not released."""

    times_drawn: Tensor
    sizes: list[int] = field(default_factory=list)

    def add(self, drawn: Tensor) -> None:
        self.sizes.append(len(drawn))
        self.times_drawn.index_add_(0, drawn, torch.ones(len(drawn), dtype=torch.int64))


SHIFT = 16  # a view is moved by up to 1/16 of its size


def views(faces: Tensor, number: int, random: torch.Generator) -> Tensor:
    """Faces (n, 3, size, size) → (n·number, 3, size, size), the views of one image side by side.

    The first view is the image itself; the others are mirrored (one in two) and moved, edges repeated.
    """
    if number == 1:
        return faces
    images, reach, size = len(faces), faces.shape[-1] // SHIFT, faces.shape[-1]
    padded = functional.pad(faces, (reach,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * reach + 1, (images, number - 1, 2), generator=random).tolist()
    mirrored = (torch.rand(images, number - 1, generator=random) < 0.5).tolist()
    result = []
    for image in range(images):
        result.append(faces[image])
        for (down, right), mirror in zip(offsets[image], mirrored[image], strict=True):
            view = padded[image, :, down : down + size, right : right + size]
            result.append(view.flip(2) if mirror else view)
    return torch.stack(result)
