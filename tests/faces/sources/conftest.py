"""Face sets of plain colors in every format, for tests that need no person on them."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceleak.faces.images import encode_jpeg
from faceleak.faces.sources.recordio import FIRST, HEADER, KIND_BITS, LAST, MAGIC, MIDDLE, PREFIX

MAGIC_BYTES = struct.pack("<I", MAGIC)


def gray_jpeg(level: int, size: int = 16) -> bytes:
    return encode_jpeg(np.full((size, size, 3), level, np.uint8))


def record(payload: bytes) -> bytes:
    """A record as dmlc-core writes it: split wherever the payload holds the magic at a multiple of 4."""
    places = [p for p in range(0, len(payload) - 3, 4) if payload[p : p + 4] == MAGIC_BYTES]
    starts, ends = [0, *(p + 4 for p in places)], [*places, len(payload)]
    kinds = [0] if not places else [FIRST, *[MIDDLE] * (len(places) - 1), LAST]
    written = b""
    for kind, start, end in zip(kinds, starts, ends, strict=True):
        part = payload[start:end]
        written += PREFIX.pack(MAGIC, kind << KIND_BITS | len(part)) + part + bytes(-len(part) % 4)
    return written


def write_recordio(path: Path, images: list[tuple[float, bytes]], header: bool = True) -> list[int]:
    """Write labels and images as `path` and its index; return where each record begins."""
    end = len(images) + 1
    records = [record(HEADER.pack(2, 0.0, 0, 0) + struct.pack("<2f", end, end + 1))] if header else []
    records += [record(HEADER.pack(0, label, number, 0) + jpeg) for number, (label, jpeg) in enumerate(images, 1)]
    people = [record(HEADER.pack(2, 0.0, 0, 0) + struct.pack("<2f", 1, end))] if header else []
    records += people
    offsets = np.cumsum([0, *map(len, records)])[:-1].tolist()
    path.write_bytes(b"".join(records))
    first = 0 if header else 1
    path.with_suffix(".idx").write_text("".join(f"{key}\t{place}\n" for key, place in enumerate(offsets, first)))
    return offsets


def write_bin(path: Path, images: list[bytes], same: list[bool], protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps((images, same), protocol))


@pytest.fixture
def images() -> list[tuple[float, bytes]]:
    """Labels and JPEGs: three people with two images each."""
    return [(float(number // 2), gray_jpeg(30 * number)) for number in range(6)]


@pytest.fixture
def recordio(tmp_path: Path, images: list[tuple[float, bytes]]) -> Path:
    """The images as train.rec and train.idx."""
    write_recordio(tmp_path / "train.rec", images)
    return tmp_path / "train.rec"


@pytest.fixture
def written_recordio() -> Callable[..., list[int]]:
    """Write a RecordIO: written_recordio(path, images, header=True)."""
    return write_recordio


@pytest.fixture
def written_bin() -> Callable[..., None]:
    """Write a verification set: written_bin(path, images, same, protocol=4)."""
    return write_bin
