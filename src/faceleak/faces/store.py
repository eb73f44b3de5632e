"""The packed store: faces as JPEG bytes in one memory-mapped Arrow file, read image by image at any place.

Columns: image_id, identity, sha256 (of the source bytes), stored_sha256 (of the JPEG bytes, which differ if an image
was encoded anew), width, height, source, jpeg, and stated_role if the user says which part each image plays. Each
batch carries a SHA-256 of its rows. The first stores of version 1 have neither that nor `stored_sha256`. The
schema's metadata carries the format's version, the fingerprint of what the store was made from, and the quarantine:
what was left out and why.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError, kedro_run
from faceleak.faces.canvas import Canvas
from faceleak.faces.images import decode_jpeg
from faceleak.faces.lock import packing_alone
from faceleak.faces.quarantine import Broken, as_table
from faceleak.work.tasks import writing

FORMAT_VERSION = "1"
ROWS_PER_BATCH = 1024
IDS_AT_ONCE = 1 << 20  # are looked for in one go
STATED_ROLE, STORED, QUARANTINE, DIGEST = "stated_role", "stored_sha256", b"quarantine", b"sha256"
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("identity", pa.string()),
        ("sha256", pa.string()),
        (STORED, pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("source", pa.string()),
        ("jpeg", pa.binary()),
    ]
)


class StoreError(FaceleakError):
    """The packed store is missing, damaged, or of a format that this version does not read."""


@dataclass(frozen=True)
class Face:
    """One image on its way into the store."""

    image_id: str
    identity: str
    source: str
    jpeg: bytes
    width: int
    height: int
    sha256: str

    @property
    def stored_sha256(self) -> str:
        """Hash of what is stored: of another image than the source's if that was encoded anew."""
        return sha256_of(self.jpeg)


def sha256_of(content: bytes) -> str:
    """Hash image bytes as the manifest states it."""
    return hashlib.sha256(content).hexdigest()


class FaceSource(Protocol):
    """A source of faces. Its fingerprint names all that they depend on, so an unchanged source is packed once."""

    def fingerprint(self) -> str: ...
    def __iter__(self) -> Iterator[Face]: ...


def pack(source: FaceSource, path: Path) -> None:
    """Stream `source` into a store at `path`; do nothing if the store there was made from the same.

    Raises BusyStoreError if another process is packing into `path`.
    """
    name = source.fingerprint()
    if is_made_from(path, name):
        return
    schema = SCHEMA.with_metadata({b"version": FORMAT_VERSION, b"fingerprint": name})
    with (
        packing_alone(path),
        writing(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for rows in _chunks(source, ROWS_PER_BATCH):
            write_checksummed(writer, pa.record_batch(as_columns(rows), schema=schema))


def as_columns(faces: Sequence[Face]) -> "list[pa.Array]":
    """Columns of `SCHEMA` from faces, a row each."""
    return [pa.array([getattr(face, name) for face in faces], SCHEMA.field(name).type) for name in SCHEMA.names]


def write_checksummed(writer: "pa.RecordBatchWriter", batch: "pa.RecordBatch") -> None:
    """Write a batch with the SHA-256 of its rows."""
    writer.write_batch(batch, {DIGEST: digest_of(batch)})


def digest_of(batch: "pa.RecordBatch") -> str:
    """SHA-256 of all rows of a batch, in 64 hexadecimal digits."""
    jpegs = [jpeg.as_buffer() for jpeg in batch.column("jpeg")]
    others = [batch.column(name).to_pylist() for name in batch.schema.names if name != "jpeg"]
    digest = hashlib.sha256(json.dumps([*others, [jpeg.size for jpeg in jpegs]]).encode())
    for jpeg in jpegs:
        digest.update(jpeg)
    return digest.hexdigest()


def stated_digest(reader: "pa.RecordBatchFileReader", number: int) -> str | None:
    """The SHA-256 that a batch was written with, None if it has none."""
    stated = (reader.get_batch_with_custom_metadata(number).custom_metadata or {}).get(DIGEST)
    return None if stated is None else str(stated, "ascii", "replace")


def is_made_from(path: Path, fingerprint: str) -> bool:
    """Whether a store of the current format is at `path`, made from what `fingerprint` names."""
    found = metadata_of(path) if path.exists() else {}
    return (found.get(b"version"), found.get(b"fingerprint")) == (FORMAT_VERSION.encode(), fingerprint.encode())


def _chunks(faces: Iterable[Face], size: int) -> Iterator[list[Face]]:
    rows: list[Face] = []
    for face in faces:
        rows.append(face)
        if len(rows) == size:
            yield rows
            rows = []
    if rows:
        yield rows


def metadata_of(path: Path) -> dict[bytes, bytes]:
    """The metadata of the file's schema; empty if it is damaged."""
    try:
        with pa.memory_map(str(path)) as file:
            return dict(pa.ipc.open_file(file).schema.metadata or {})
    except (pa.ArrowInvalid, OSError):
        return {}


class FaceStore:
    """Read access to a packed store. Raises StoreError if it is missing, damaged or of another version.

    Opening reads where each batch lies and no image; a batch is checked when it is first read from, and each image by
    its hash. Raises StoreError if something was altered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader, self._batches = _open(path)
        self._schema = self._reader.schema
        self._metadata = dict(self._schema.metadata)
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])
        self._checked = np.zeros(len(self._batches), bool)
        self._reading = Lock()  # Arrow's readers are for one thread at a time
        self._verified = np.zeros(len(self._batches), bool)

    @property
    def fingerprint(self) -> str:
        """What the store was made from."""
        return str(self._metadata[b"fingerprint"], "utf-8")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __reduce__(self) -> tuple[type["FaceStore"], tuple[Path]]:
        return FaceStore, (self.path,)

    def manifest(self) -> pd.DataFrame:
        """One row an image: image_id, identity, sha256, width, height, source, and stated_role if the user states it.

        Takes about 150 bytes an image.
        """
        names = [name for name in self._schema.names if name not in ("jpeg", STORED)]
        manifest: pd.DataFrame = self._table(names).to_pandas(split_blocks=True)
        return manifest

    @property
    def parts(self) -> int:
        """Number of parts, of `ROWS_PER_BATCH` images each or a little fewer, in which the store was written."""
        return len(self._batches)

    def part(self, number: int, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of the manifest for the images of one part; the index holds their rows in the store."""
        part: pd.DataFrame = self._checked_batch(number).select(list(columns)).to_pandas()
        return part.set_axis(range(int(self._starts[number]), int(self._starts[number + 1])))

    def rows(self, positions: NDArray[np.int64], columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of the manifest for the images in rows `positions`."""
        rows: pd.DataFrame = self._table(list(columns)).take(positions).to_pandas()
        return rows

    def as_stored(self, images: pd.DataFrame) -> pd.DataFrame:
        """The same images (image_id) with `sha256` of the bytes that are stored: what is made of them is kept by it.

        `sha256` in the manifest and in splits is that of the source, which may have been encoded anew at any quality.
        """
        positions = self.positions(images["image_id"])
        if STORED in self._schema.names:
            return images.assign(sha256=self.rows(positions, [STORED])[STORED].array)
        hashes = [sha256_of(self.jpeg(int(position))) for position in positions]  # packed by an earlier version
        return images.assign(sha256=pd.array(hashes, "str"))

    def quarantine(self) -> pd.DataFrame:
        """What was left out when the store was packed, as `quarantine.as_table` gives it."""
        return as_table([Broken(*row) for row in json.loads(self._metadata.get(QUARANTINE, b"[]"))])

    def positions(self, image_ids: Iterable[str]) -> NDArray[np.int64]:
        """Row of each image. Raises StoreError for an image that is not in the store."""
        wanted, stored = _one_array(image_ids), self._table(["image_id"])["image_id"]
        parts = [_find(wanted.slice(start, IDS_AT_ONCE), stored) for start in range(0, len(wanted), IDS_AT_ONCE)]
        rows = np.concatenate([np.empty(0, np.int64), *parts])
        if missing := int((rows < 0).sum()):
            raise StoreError(
                f"{missing} of {len(wanted)} images are not in {self.path}: the splits were made from "
                "another store. Run the faces pipeline again."
            )
        return rows

    def jpeg(self, position: int) -> bytes:
        """Encoded bytes of the image in row `position`."""
        batch = int(np.searchsorted(self._starts, position, side="right")) - 1
        rows, row = self._checked_batch(batch), position - int(self._starts[batch])
        content = bytes(rows.column("jpeg")[row].as_buffer())
        if not self._verified[batch] and sha256_of(content) != rows.column("sha256")[row].as_py():
            self.verify(batch)  # it was altered, or encoded anew when it was packed
        return content

    def verify(self, number: int) -> None:
        """Raise StoreError if a part has other rows than it was written with. Older parts do not say."""
        batch = self._checked_batch(number)
        with _naming_damage(self.path), self._reading:
            stated = stated_digest(self._reader, number)
        if stated is not None and stated != digest_of(batch):
            first = int(self._starts[number])
            raise StoreError(
                f"{self.path} was altered after it was packed: images {first} to {first + len(batch) - 1} have another "
                f"SHA-256 than they were packed with. Delete it and run: {kedro_run('faces')}"
            )
        self._verified[number] = True

    def _checked_batch(self, number: int) -> "pa.RecordBatch":
        batch = self._batches[number]
        if not self._checked[number]:
            with _naming_damage(self.path):
                batch.validate(full=True)
            self._checked[number] = True
        return batch

    def _table(self, names: list[str]) -> "pa.Table":
        schema = pa.schema([self._schema.field(name) for name in names])
        table = pa.Table.from_batches([batch.select(names) for batch in self._batches], schema)
        with _naming_damage(self.path):
            table.validate(full=True)
        return table

    def pixels(self, position: int) -> NDArray[np.uint8]:
        """RGB pixels (height, width, 3) of the image in row `position`."""
        return decode_jpeg(self.jpeg(position), f"Image {position} of {self.path}")

    def images(self, positions: Sequence[int] | NDArray[np.int64], size: int | Canvas) -> NDArray[np.uint8]:
        """RGB pixels (n, height, width, 3); an image of another size is placed on the canvas with antialiasing.

        size: a canvas, or the side of a square that images are stretched to.
        """
        canvas = Canvas.of(size)
        shape = canvas.shape
        batch = np.empty((len(positions), *shape, 3), np.uint8)
        for row, position in enumerate(positions):
            pixels = self.pixels(int(position))
            batch[row] = pixels if pixels.shape[:2] == shape else canvas.place(pixels)
        return batch


def _find(wanted: "pa.Array", stored: "pa.ChunkedArray") -> NDArray[np.int64]:
    """Row of each wanted id in `stored`, -1 if it is not there. Memory grows with the wanted ones only."""
    encoded = wanted.dictionary_encode()
    found = pc.index_in(stored, encoded.dictionary).fill_null(-1).to_numpy()  # hashes the wanted, not the stored
    here = np.flatnonzero(found >= 0)
    rows_of_dictionary = np.full(len(encoded.dictionary), -1, np.int64)
    rows_of_dictionary[found[here]] = here
    rows: NDArray[np.int64] = rows_of_dictionary[encoded.indices.to_numpy()]
    return rows


def _one_array(texts: Iterable[str]) -> "pa.Array":
    array = pa.array(texts, pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array  # pandas may hold several


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path} is damaged ({error}). Delete it and run: {kedro_run('faces')}") from error


def _open(path: Path) -> "tuple[pa.RecordBatchFileReader, list[pa.RecordBatch]]":
    if not path.exists():
        raise StoreError(f"There is no store at {path}. Make it: {kedro_run('faces')}")
    with _naming_damage(path):
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate()
    version = (reader.schema.metadata or {}).get(b"version", b"none").decode()
    if version != FORMAT_VERSION:
        newer = "Update faceleak to keep it. " if version.isdigit() and int(version) > int(FORMAT_VERSION) else ""
        raise StoreError(
            f"{path} has format version {version}, this faceleak reads version {FORMAT_VERSION}. {newer}"
            f"Delete it and run: {kedro_run('faces')}"
        )
    return reader, batches
