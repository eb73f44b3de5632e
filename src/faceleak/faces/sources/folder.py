"""A folder with one folder a person, as a source for the packed store."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from faceleak.errors import FaceleakError
from faceleak.faces.images import read_as_jpeg
from faceleak.faces.store import Face, sha256_of
from faceleak.pieces import fingerprint
from faceleak.progress import track

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


class SourceError(FaceleakError):
    """The source of faces is missing or holds too little."""


@dataclass(frozen=True)
class FaceFolder:
    """`<path>/<identity>/<image>`; files with another suffix than an image's are left out.

    Raises SourceError where the folder is missing or has fewer than two people, ImageError (naming the file) where
    an image cannot be read.
    """

    path: Path

    def fingerprint(self) -> str:
        entries = [(self._name(f), f.stat().st_size, f.stat().st_mtime_ns) for f in self._files]
        return fingerprint("folder", entries)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Face]:
        for file in track(self._files, "Packing faces", len(self._files), "images"):
            content = _read(file)
            jpeg, width, height = read_as_jpeg(content, str(file))
            identity = file.parent.name
            yield Face(self._name(file), identity, str(self.path.name), jpeg, width, height, sha256_of(content))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.path).as_posix()

    @cached_property
    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise SourceError(
                f"There is no folder {self.path}. Set faces.folder.path in parameters_faces.yml to a folder "
                "with one folder a person."
            )
        files = sorted(f for f in self.path.glob("*/*") if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file())
        people = {file.parent for file in files}
        if len(people) < 2:
            raise SourceError(
                f"{self.path} holds images of {len(people)} people; an audit compares people who were trained on "
                f"with people who were not, so it needs several. Expected: {self.path}/<person>/<image>.jpg"
            )
        return files


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{file} could not be read ({error.strerror}). Check its permissions or remove it."
        ) from error
