"""RecordIO: `train.rec` with the images, `train.idx` with a line `key<tab>offset` for each.

A record: magic, a word with the kind of part (upper 3 bits) and the length, then the payload, padded to 4 bytes.
Its payload: an `IRHeader` (flag, label, id, id2; with a flag above 0 as many float32 labels follow) and the encoded
image. As MXNet's im2rec writes it, every record is an image. As InsightFace does, the record of key 0 holds several
labels and no image: the first label is the key at which the images end. Format: dmlc-core `recordio.h`, apache/mxnet
`python/mxnet/recordio.py` and `tools/im2rec.py`, deepinsight/insightface `recognition/arcface_torch/dataset.py`.
"""

import logging
import math
import struct
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceleak.faces.images import MAXIMUM_BYTES, ImageError
from faceleak.faces.sources.source import (
    Bytes,
    EndOfFileError,
    Loss,
    SourceError,
    SourceImage,
    open_bytes,
    require_file,
    state_of,
)
from faceleak.work.progress import track
from faceleak.work.tasks import fingerprint

MAGIC = 0xCED7230A
PREFIX = struct.Struct("<II")  # magic, kind and length
HEADER = struct.Struct("<IfQQ")  # flag, label, id, id2
KIND_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)  # kinds of parts: a payload that holds the magic is split there
MAXIMUM_LABELS = 1 << 16
LABEL_BYTES = PREFIX.size + HEADER.size + 4  # of a record that say who is on its image

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordFaces:
    """The images of a `.rec` file, in the order of their keys in the `.idx` file of the same folder.

    Without an index, as im2rec in C++ leaves it, keys count the records from 0. The person is the label, the first one
    of several; `property` is not needed. If the `.rec` ends too early, the images before the end are read and the
    others are reported as a loss, as are records that the index does not list. Raises SourceError if the file is
    missing or the index is not one.
    """

    path: Path
    states_roles = False

    def fingerprint(self) -> str:
        return fingerprint("recordio", state_of(self.path), state_of(self._index_path))

    def __len__(self) -> int:
        return len(self._places[0])

    def read(self, start: int) -> Iterator[SourceImage]:
        keys, offsets = self._places
        with open_bytes(self.path) as file:
            for key, offset in zip(keys[start:].tolist(), offsets[start:].tolist(), strict=True):
                yield _image(file, _image_id(key), offset)

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        keys, offsets = self._places
        places = zip(keys.tolist(), offsets.tolist(), strict=True)
        with open_bytes(self.path, LABEL_BYTES) as file:
            for key, offset in track(places, "Counting people", len(keys), "images"):
                yield _image_id(key), _person(file, offset)

    def losses(self) -> list[Loss]:
        found = []
        listed, there = len(self._listed[0]), len(self)
        if listed != there:
            reason = (
                f"{self.path} was cut: {there:,} of the {listed:,} images in {self._lister.name} are whole, the other "
                f"{listed - there:,} are missing. Copy the file again if you need them."
            )
            found.append(Loss(str(self.path), reason, listed - there))
        if self._lister == self.path:
            if problem := self._walked[1]:
                found.append(Loss(str(self.path), problem))
        elif unlisted := self._count_unlisted():
            reason = (
                f"{self.path} holds records that {self._index_path} does not list, so they are not read: {unlisted:,}. "
                "Copy both files again, or move the index away: all records are read then, in their order."
            )
            found.append(Loss(str(self.path), reason, unlisted))
        return found

    def _count_unlisted(self) -> int:
        """How many records lie between those of the index, or after them."""
        starts = np.unique(self._index[1])
        ends = np.append(starts, np.iinfo(np.int64).max)
        with open_bytes(self.path, PREFIX.size) as file:
            count = _count(file, 0, int(ends[0]))
            gaps = zip(starts.tolist(), ends[1:].tolist(), strict=True)
            for start, end in track(gaps, "Counting records", len(starts), "records"):
                count += max(0, _count(file, start, end) - 1)
        return count

    @property
    def _index_path(self) -> Path:
        return self.path.with_suffix(".idx")

    @property
    def _lister(self) -> Path:
        """What says where records are: the index, or the records themselves."""
        return self._index_path if self._index_path.exists() else self.path

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys and offsets of the images that are whole: all, unless the file was cut."""
        keys, offsets = self._listed
        with open_bytes(self.path) as file:
            if not offsets.size or (offsets.max() < file.size and _is_whole(file, int(offsets.max()))):
                return keys, offsets
            last_before_end = max((int(offset) for offset in offsets[offsets < file.size]), default=-1)
            end = last_before_end + _is_whole(file, last_before_end)
        there = offsets < end
        if not there.any():
            raise SourceError(
                f"{self.path} holds none of the {len(keys):,} images that {self._index_path} lists. Do the two belong "
                "together? Copy both again."
            )
        return keys[there], offsets[there]

    @cached_property
    def _listed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys and offsets of all images."""
        keys, offsets = self._index
        if keys.size and keys[0] == 0:
            with open_bytes(self.path) as file:
                end = _end_of_images(file, int(offsets[0]))
            if end is not None:
                images = (keys > 0) & (keys < end)
                keys, offsets = keys[images], offsets[images]
        if not keys.size:
            raise SourceError(f"{self._lister} lists no image. Copy it again, or make it with im2rec.")
        with open_bytes(self.path) as file, suppress(ImageError):
            labels, _ = _unpack(_payload(file, int(offsets[0])), str(self.path))
            if len(labels) > 1:
                told = "The first image of %s has %d labels: the first of them is the person, the others are not read."
                log.info(told, self.path, len(labels))
        return keys, offsets

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys and offsets of all records, with any content."""
        require_file(self.path, "faces.recordio.path", "a .rec file")
        if self._lister == self._index_path:
            return _read_index(self._index_path)
        offsets, _ = self._walked
        return np.arange(len(offsets)), offsets

    @cached_property
    def _walked(self) -> tuple[NDArray[np.int64], str]:
        """Where the records begin, each found by the one before, and what is in the way of the others."""
        offsets, problem = array("q"), ""
        with open_bytes(self.path, PREFIX.size) as file:
            try:
                offsets.extend(track(_records(file, 0, file.size), "Looking for records", None, "records"))
            except ImageError as error:
                problem = f"{error} Without {self._index_path.name}, what comes after that place cannot be read."
        if not offsets:
            raise SourceError(f"{self.path} does not begin with a readable record ({problem}). Copy it again.")
        log.info("There is no %s: the records of %s are read in their order.", self._index_path, self.path.name)
        return np.array(offsets), problem


def _read_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys in ascending order and the offset of each."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=["key", "offset"]),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(column_types={"key": pa.int64(), "offset": pa.int64()}, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path} is not an index of lines `key<tab>offset` ({error}). Copy it again.") from error
    keys, offsets = table["key"].to_numpy(), table["offset"].to_numpy()
    order = np.argsort(keys, kind="stable")
    keys, offsets = keys[order], offsets[order]
    if (keys < 0).any() or (offsets < 0).any() or (np.diff(keys) == 0).any():
        raise SourceError(f"{path} has negative numbers or the same key twice. Copy it again.")
    return keys, offsets


def _end_of_images(file: Bytes, offset: int) -> int | None:
    """Key after the last image, if the record of key 0 is InsightFace's header; None if it is an image.

    Images have all keys above 0 if the header does not say.
    """
    try:
        labels, image = _unpack(_payload(file, offset), str(file.path))
    except ImageError as error:
        raise SourceError(f"{file.path} does not begin with a readable record ({error}). Copy it again.") from error
    if image or len(labels) == 1:
        return None
    return int(labels[0]) if math.isfinite(labels[0]) else np.iinfo(np.int64).max


def _records(file: Bytes, start: int, end: int) -> Iterator[int]:
    """Where each record begins, from the one at `start` to the last that begins before `end`. Raises ImageError."""
    while start < min(end, file.size):
        *_, (place, length) = _parts(file, start)
        yield start
        start = place + length + -length % 4


def _count(file: Bytes, start: int, end: int) -> int:
    """How many records there are from `start` to `end`, or up to one that is damaged."""
    count = 0
    try:
        for count, _ in enumerate(_records(file, start, end), 1):  # noqa: B007
            pass
    except ImageError:
        return count
    return count


def _is_whole(file: Bytes, offset: int) -> bool:
    """Whether the file holds all that the record claims, without looking at what that is."""
    try:
        return offset >= 0 and all(place + length <= file.size for place, length in _parts(file, offset))
    except EndOfFileError:
        return False
    except ImageError:  # it is damaged, not cut
        return True


def _image_id(key: int) -> str:
    return f"{key:09d}"


def _person(file: Bytes, offset: int) -> str:
    """Who is on the image at `offset`, by the beginning of its record; nothing where that is no sound one."""
    try:
        flag, label, _, _ = HEADER.unpack(file.at(offset + PREFIX.size, HEADER.size))
        if flag:
            (label,) = struct.unpack("<f", file.at(offset + PREFIX.size + HEADER.size, 4))
    except ImageError:
        return ""
    return str(int(label)) if label >= 0 and label.is_integer() else ""


def _image(file: Bytes, image_id: str, offset: int) -> SourceImage:
    try:
        labels, content = _unpack(_payload(file, offset), f"{file.path}, image {image_id},")
    except (ImageError, OSError) as error:
        return SourceImage(image_id, "", file.path.stem, problem=str(error))
    if not content:
        return SourceImage(image_id, "", file.path.stem, problem="Its record holds no image. Remove it.")
    if not (labels and labels[0] >= 0 and labels[0].is_integer()):
        shown = labels[0] if labels else "none"
        return SourceImage(image_id, "", file.path.stem, problem=f"Its label is {shown}; a person is a whole number.")
    return SourceImage(image_id, str(int(labels[0])), file.path.stem, content)


def _payload(file: Bytes, offset: int) -> bytes:
    """The payload of the record at `offset`, put together if it was split. Raises ImageError."""
    return struct.pack("<I", MAGIC).join(file.at(place, length) for place, length in _parts(file, offset))


def _parts(file: Bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Place and length of each part of the record at `offset`. Raises ImageError if they make no record."""
    total, expected = 0, (WHOLE, FIRST)
    while True:
        magic, word = PREFIX.unpack(file.at(offset, PREFIX.size))
        kind, length = word >> KIND_BITS, word & ((1 << KIND_BITS) - 1)
        total += length + PREFIX.size
        if magic != MAGIC or kind not in expected or total > MAXIMUM_BYTES:
            raise ImageError(f"{file.path} has no sound record at byte {offset:,}. Copy it again, with its index.")
        yield offset + PREFIX.size, length
        if kind in (WHOLE, LAST):
            return
        expected = (MIDDLE, LAST)
        offset += PREFIX.size + length + -length % 4


def _unpack(payload: bytes, name: str) -> tuple[tuple[float, ...], bytes]:
    """Labels and encoded image of a payload. Raises ImageError."""
    if len(payload) < HEADER.size:
        raise ImageError(f"{name} has a record that is shorter than its header.")
    flag, label, _, _ = HEADER.unpack_from(payload)
    if flag == 0:
        return (label,), payload[HEADER.size :]
    end = HEADER.size + 4 * flag
    if flag > MAXIMUM_LABELS or len(payload) < end:
        raise ImageError(f"{name} claims {flag} labels, which its record does not hold.")
    return struct.unpack_from(f"<{flag}f", payload, HEADER.size), payload[end:]
