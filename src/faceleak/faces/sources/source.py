"""What every source of faces offers: its length, a fingerprint, and its images in order from any place on.

Files that hold many images one after the other are read at given places, never beyond the file's end.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from faceleak.common.errors import FaceleakError
from faceleak.faces.images import MAXIMUM_BYTES, ImageError

SYSTEM_NAMES = {
    name.casefold(): name
    for name in (
        *(".DS_Store", ".AppleDouble", ".Trashes", ".Spotlight-V100", ".fseventsd", "__MACOSX", "Icon\r"),
        *("Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information"),
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb"),
        *(".git", ".dvc", ".ipynb_checkpoints", "lost+found"),
    )
}
READ_AHEAD = 256 << 10


class SourceError(FaceleakError):
    """The source of faces is missing, damaged as a whole, or holds too little."""


@dataclass(frozen=True)
class SourceImage:
    """One image as its source has it: encoded bytes, not looked at yet, or what was wrong when they were read."""

    image_id: str
    identity: str
    source: str
    content: bytes = b""
    problem: str = ""
    stated_role: str | None = None


@dataclass(frozen=True)
class Loss:
    """Images or files that a source knows of and does not give, all together: what they are in, why, and how many."""

    where: str
    reason: str
    count: int = 1


class ImageSource(Protocol):
    """A source whose images may be broken one by one. The order never changes, so packing can go on anywhere."""

    @property
    def states_roles(self) -> bool:
        """Whether the images say which part they play."""

    def fingerprint(self) -> str:
        """Name the content: another one, if files were added, removed or changed."""

    def __len__(self) -> int:
        """Count the images, the broken ones included."""

    def read(self, start: int) -> Iterator[SourceImage]:
        """Read the images from number `start` on, one at a time. Never raises because of a single image."""

    def losses(self) -> list[Loss]:
        """Name what is not among the images: the rest of a file that was cut, files that are not taken."""


def names_of(source: ImageSource) -> Iterator[tuple[str, str]]:
    """image_id and identity of each image, in order; images are read only where the source cannot tell without."""
    names: Callable[[], Iterator[tuple[str, str]]] | None = getattr(source, "names", None)
    if names is not None:
        return names()
    return ((image.image_id, image.identity) for image in source.read(0))


def printable(text: str) -> str:
    """A name of a file as text that can be written anywhere."""
    return text.encode("utf-8", "backslashreplace").decode()


def name_of_system(name: str) -> str:
    """What to call a file or folder that is hidden or belongs to an operating system or a NAS; nothing for others."""
    if name.startswith("._"):
        return "._*"
    known = SYSTEM_NAMES.get(name.casefold(), "")
    return known or ("other hidden ones" if name.startswith(".") else "")


def grouped(images: Iterable[SourceImage], size: int) -> Iterator[list[SourceImage]]:
    """Images in groups of `size`, the last one smaller."""
    iterator = iter(images)
    while group := list(islice(iterator, size)):
        yield group


def read_image(image: SourceImage, load: Callable[[], bytes], name: str) -> SourceImage:
    """Fill in the bytes that `load` gives, or what was wrong with them; `name` is where they should have been."""
    try:
        content, problem = load(), ""
    except ImageError as error:
        content, problem = b"", str(error)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        content, problem = b"", f"{name!r} could not be read ({reason}). Check its permissions or remove it."
    return SourceImage(image.image_id, image.identity, image.source, content, problem, image.stated_role)


def read_file(path: Path) -> bytes:
    """Read a file of at most `MAXIMUM_BYTES`. Raises ImageError if it is larger or no file."""
    if not path.is_file():  # a pipe would never end
        raise ImageError(f"There is no file {path}.")
    with path.open("rb") as file:
        content = file.read(MAXIMUM_BYTES + 1)
    if len(content) > MAXIMUM_BYTES:
        raise ImageError(f"{path} is larger than {MAXIMUM_BYTES:,} bytes. Scale it down or remove it.")
    return content


def state_of(path: Path) -> list[str | int]:
    """Name, size and time of the last change of a file, for fingerprints; size -1 if it is missing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return [path.name, -1, 0]
    return [path.name, found.st_size, found.st_mtime_ns]


def require_file(path: Path, key: str, content: str) -> None:
    """Raise SourceError if `path`, set by the key `key`, is no file that holds `content`."""
    if not path.is_file():
        raise SourceError(f"There is no file {path}. Set {key} in parameters_faces.yml to {content}.")


class EndOfFileError(ImageError):
    """A file ends before what it should hold."""


class Bytes:
    """A file that is open for reading at any place."""

    def __init__(self, number: int, path: Path, read_ahead: int) -> None:
        self._number, self.path, self._read_ahead = number, path, read_ahead
        self.size = os.fstat(number).st_size
        self._ahead, self._start = b"", 0

    def at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`. Raises EndOfFileError, or ImageError if they are many."""
        if length > MAXIMUM_BYTES:
            raise ImageError(f"{self.path} claims {length:,} bytes for one image at byte {offset:,}. Remove it.")
        place = offset - self._start
        if place < 0 or place + length > len(self._ahead):
            there = min(max(length, self._read_ahead), self.size - offset)  # a buffer for no more than the file has
            ahead = os.pread(self._number, there, offset) if offset >= 0 and there > 0 else b""
            self._ahead, self._start, place = ahead, offset, 0
        if place + length > len(self._ahead):
            raise EndOfFileError(f"{self.path} has {self.size:,} bytes and ends before the image at byte {offset:,}.")
        return self._ahead[place : place + length]


@contextmanager
def open_bytes(path: Path, read_ahead: int = READ_AHEAD) -> Iterator[Bytes]:
    """Open a file for reading at any place."""
    number = os.open(path, os.O_RDONLY)
    try:
        yield Bytes(number, path, read_ahead)
    finally:
        os.close(number)
