"""Files that hold many images one after the other: read at given places, never beyond the file's end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceleak.faces.images import MAXIMUM_BYTES, ImageError

READ_AHEAD = 256 << 10


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
