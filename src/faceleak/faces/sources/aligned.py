"""Raw photographs of any source, aligned by landmarks on their way into the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.text_tables import slashed
from faceleak.faces.images import ImageError, decode_jpeg, encode_jpeg, read_as_jpeg
from faceleak.faces.sources.landmarks import POINTS, LandmarksError, read_landmarks
from faceleak.faces.sources.source import (
    ImageSource,
    Loss,
    SourceError,
    SourceImage,
    grouped,
    names_of,
    require_file,
    state_of,
)
from faceleak.work.compute import ComputeOptions, pick_device
from faceleak.work.tasks import fingerprint

if TYPE_CHECKING:
    from torch import Tensor

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class AlignedFaces:
    """The images of `source`, each cut out and turned so that its landmarks lie where ArcFace's template has them.

    landmarks: a file that `landmarks.read_landmarks` takes, in pixels of the upright photograph. It names an image by
    its image_id, or by a path that ends with it. An image without landmarks, or with several rows of them that differ,
    counts as broken. Raises SourceError where the file is missing, gives no landmarks, or none of any image.
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

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        return names_of(self.source)

    @cached_property
    def _points(self) -> pd.DataFrame:
        """Landmarks by image_id; rows that name no image of the source are left out."""
        require_file(self.landmarks, "faces.landmarks", "a file with five landmarks an image")
        try:
            found = read_landmarks(self.landmarks)
        except LandmarksError as error:
            raise SourceError(str(error)) from error
        return found.assign(image_id=self._image_ids(found["image_id"])).dropna(subset="image_id").set_index("image_id")

    def _image_ids(self, names: "pd.Series[str]") -> "pd.Series[str]":
        """The image_id that each name is, or that it ends with; missing where there is none. Raises SourceError."""
        wanted = {slashed(image_id) for image_id, _ in self.names()}
        depths = sorted({image_id.count("/") + 1 for image_id in wanted}, reverse=True)

        def found(name: str) -> str | None:
            parts = name.split("/")
            ends = ("/".join(parts[-depth:]) for depth in depths if depth < len(parts))
            return next((end for end in (name, *ends) if end in wanted), None)

        known = names.map(found)
        if len(known) and known.isna().all():
            raise SourceError(
                f"{self.landmarks} has landmarks of none of the {len(wanted):,} images: it calls its first image "
                f"{names.iloc[0]!r}, and an image_id is {min(wanted)!r} here (in a folder: <person>/<file>). "
                "Give images their image_id in it, or a path that ends with it."
            )
        return known

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
        """Decode a photograph (3, height, width) in 0…1; if it or its landmarks are no good, say why."""
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
            return f"It has no landmarks in {self.landmarks}. Add them as those of {name!r}, or remove the image."
        if name in self._ambiguous:
            return f"It has several rows of landmarks in {self.landmarks} that differ. Keep those of the person's face."
        points = self._points.loc[name].to_numpy(np.float64)
        if not np.isfinite(points).all() or np.ptp(points[0::2]) + np.ptp(points[1::2]) < 1:
            return f"Its landmarks in {self.landmarks} are no finite numbers or lie all on one spot. Correct them."
        return ""


def _tensor(values: NDArray[np.generic]) -> "Tensor":
    import torch

    return torch.from_numpy(np.array(values))
