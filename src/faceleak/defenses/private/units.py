"""Units of privacy: what is added or removed as a whole between neighbouring data sets, an image or a person."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    """Rows of each drawn unit, `at_most` of them, chosen at random where it has more."""
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
