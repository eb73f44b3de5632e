"""Raw photographs of any source, aligned by landmarks on their way into the store."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.text_tables import TextTableError, number_in, read_table, slashed
from faceleak.faces.images import ImageError, decode_jpeg, encode_jpeg, read_as_jpeg
from faceleak.faces.sources.source import (
    ImageSource,
    Loss,
    SourceError,
    SourceImage,
    grouped,
    require_file,
    state_of,
)
from faceleak.work.compute import ComputeOptions, pick_device
from faceleak.work.tasks import fingerprint

if TYPE_CHECKING:
    from torch import Tensor

POINTS = 5
COLUMNS = [f"{axis}{point}" for point in range(1, POINTS + 1) for axis in "xy"]
IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class AlignedFaces:
    """The images of `source`, each cut out and turned so that its landmarks lie where ArcFace's template has them.

    landmarks: a text table with the columns image_id, x1, y1, …, x5, y5, in pixels of the upright photograph and in the
    order of `alignment.ARCFACE`. An image without landmarks, or with several rows of them that differ, counts as
    broken. Raises SourceError where the file is
    missing or lacks a column.
    """

    source: ImageSource
    landmarks: Path
    compute: ComputeOptions

    @property
    def states_roles(self) -> bool:
        return self.source.states_roles

    def fingerprint(self) -> str:
        return fingerprint("aligned", self.source.fingerprint(), state_of(self.landmarks))

    def __len__(self) -> int:
        return len(self.source)

    def read(self, start: int) -> Iterator[SourceImage]:
        groups = grouped(self.source.read(start), IMAGES_AT_ONCE)
        return chain.from_iterable(map(self._aligned, groups))

    def losses(self) -> list[Loss]:
        return self.source.losses()

    @cached_property
    def _points(self) -> pd.DataFrame:
        require_file(self.landmarks, "faces.landmarks", "a CSV file with five landmarks an image")
        names, points = [], array("d")
        try:
            for row, cells in read_table(self.landmarks, "image_id", *COLUMNS):
                names.append(slashed(cells["image_id"]))
                points.extend(number_in(cells[column], self.landmarks, row, column) for column in COLUMNS)
        except TextTableError as error:
            raise SourceError(
                f"{self.landmarks} does not give landmarks. {error} It needs the columns "
                f"image_id, {', '.join(COLUMNS)}, with numbers of pixels."
            ) from error
        table = pd.DataFrame(np.array(points).reshape(-1, len(COLUMNS)), pd.Index(names, name="image_id"), COLUMNS)
        return table.reset_index().drop_duplicates().set_index("image_id")

    @cached_property
    def _ambiguous(self) -> frozenset[str]:
        """Images with several faces."""
        return frozenset(self._points.index[self._points.index.duplicated()])

    def _aligned(self, images: Sequence[SourceImage]) -> list[SourceImage]:
        from faceleak.faces.alignment import align

        opened = [self._opened(image) for image in images]
        sound = [number for number, (image, _) in enumerate(opened) if not image.problem]
        results = [image for image, _ in opened]
        if sound:
            points = self._points.loc[[slashed(images[number].image_id) for number in sound]].to_numpy(np.float32)
            faces = align([opened[number][1] for number in sound], _tensor(points).view(-1, POINTS, 2))
            pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
            for number, face in zip(sound, pixels, strict=True):
                results[number] = replace(results[number], content=encode_jpeg(face))
        return results

    def _opened(self, image: SourceImage) -> "tuple[SourceImage, Tensor]":
        """Decode a photograph (3, height, width) in 0…1; where it or its landmarks are no good, say why."""
        problem, pixels = image.problem, np.zeros((1, 1, 3), np.uint8)
        try:
            if not problem:
                pixels = decode_jpeg(read_as_jpeg(image.content, f"Image {image.image_id}")[0])
                problem = self._problem_of_landmarks(image.image_id)
        except ImageError as error:
            problem = str(error)
        tensor = _tensor(pixels).to(pick_device(self.compute)).permute(2, 0, 1) / 255
        return replace(image, problem=problem, content=b"" if problem else image.content), tensor

    def _problem_of_landmarks(self, image_id: str) -> str:
        name = slashed(image_id)
        if name not in self._points.index:
            return f"It has no landmarks in {self.landmarks}. Add them or remove the image."
        if name in self._ambiguous:
            return f"It has several rows of landmarks in {self.landmarks} that differ. Keep those of the person's face."
        points = self._points.loc[name].to_numpy(np.float64)
        if not np.isfinite(points).all() or np.ptp(points[0::2]) + np.ptp(points[1::2]) < 1:
            return f"Its landmarks in {self.landmarks} are no finite numbers or lie all on one spot. Correct them."
        return ""


def _tensor(values: NDArray[np.generic]) -> "Tensor":
    import torch

    return torch.from_numpy(np.array(values))
