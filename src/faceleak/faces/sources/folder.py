"""A folder with one folder a person."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

from faceleak.faces.sources.source import (
    Loss,
    SourceError,
    SourceImage,
    read_file,
    read_image,
    state_of,
)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


@dataclass(frozen=True)
class FaceFolder:
    """`<path>/<identity>/<image>`; files with another suffix than an image's are left out.

    The list of files is walked through each time and never held. Raises SourceError where the folder is missing or
    has fewer than `minimum_people` people.
    """

    path: Path
    minimum_people: int = 2
    states_roles = False

    def fingerprint(self) -> str:
        return self._summary[0]

    def __len__(self) -> int:
        return self._summary[1]

    def read(self, start: int) -> Iterator[SourceImage]:
        self._summary  # noqa: B018  raises where there is nothing to read
        for identity, name in islice(self._names(), start, None):
            path = self.path / identity / name
            image = SourceImage(f"{identity}/{name}", identity, self.path.name)
            yield read_image(image, partial(read_file, path), str(path))

    def losses(self) -> list[Loss]:
        return []

    @cached_property
    def _summary(self) -> tuple[str, int]:
        if not self.path.is_dir():
            raise SourceError(
                f"There is no folder {self.path}. Set faces.folder.path in parameters_faces.yml to a folder "
                "with one folder a person."
            )
        digest, images, people, last = hashlib.sha256(b"folder"), 0, 0, None
        for identity, name in self._names():
            state = state_of(self.path / identity / name)
            digest.update(repr((identity, state)).encode())
            images, people, last = images + 1, people + (identity != last), identity
        if people < self.minimum_people:
            raise SourceError(
                f"{self.path} holds images of {people} people; an audit compares people who were trained on "
                f"with people who were not, so it needs several. Expected: {self.path}/<person>/<image>.jpg"
            )
        return digest.hexdigest()[:16], images

    def _names(self) -> Iterator[tuple[str, str]]:
        for identity in sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir()):
            with os.scandir(self.path / identity) as entries:
                names = sorted(entry.name for entry in entries if _is_image(entry))
            for name in names:
                yield identity, name


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and not entry.is_dir()
