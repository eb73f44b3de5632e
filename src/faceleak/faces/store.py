"""The packed store: faces as JPEG bytes in one memory-mapped Arrow file, read image by image at any place.

Columns: image_id, identity, sha256 (of the source bytes), width, height, source, jpeg. The schema's metadata carries
the format's version and the fingerprint of what the store was made from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from faceleak.errors import FaceleakError
from faceleak.faces.canvas import Canvas
from faceleak.faces.images import decode_jpeg
from faceleak.pieces import writing

FORMAT_VERSION = "1"
ROWS_PER_BATCH = 1024
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("identity", pa.string()),
        ("sha256", pa.string()),
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


def sha256_of(content: bytes) -> str:
    """Hash image bytes as the manifest states it."""
    return hashlib.sha256(content).hexdigest()


class FaceSource(Protocol):
    """Where faces come from. The fingerprint says what they depend on, so that an unchanged source is packed once."""

    def fingerprint(self) -> str: ...
    def __iter__(self) -> Iterator[Face]: ...


def pack(source: FaceSource, path: Path) -> None:
    """Stream `source` into a store at `path`; do nothing where the store there was made from the same."""
    metadata = {b"version": FORMAT_VERSION.encode(), b"fingerprint": source.fingerprint().encode()}
    if path.exists() and _metadata(path) == metadata:
        return
    schema = SCHEMA.with_metadata(metadata)
    with writing(path) as partial, pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for rows in _chunks(source, ROWS_PER_BATCH):
            columns = [pa.array([getattr(row, name) for row in rows], SCHEMA.field(name).type) for name in SCHEMA.names]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _chunks(faces: Iterable[Face], size: int) -> Iterator[list[Face]]:
    rows: list[Face] = []
    for face in faces:
        rows.append(face)
        if len(rows) == size:
            yield rows
            rows = []
    if rows:
        yield rows


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        with pa.memory_map(str(path)) as file:
            return dict(pa.ipc.open_file(file).schema.metadata or {})
    except (pa.ArrowInvalid, OSError):
        return {}


class FaceStore:
    """Read access to a packed store. Raises StoreError where it is missing, damaged or of another version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metadata, self._batches = _open(path)
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])
        self._positions: pd.Series | None = None

    @property
    def fingerprint(self) -> str:
        """What the store was made from."""
        return self._metadata[b"fingerprint"].decode()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __reduce__(self) -> tuple[type["FaceStore"], tuple[Path]]:
        return FaceStore, (self.path,)

    def manifest(self) -> pd.DataFrame:
        """One row an image: image_id, identity, sha256, width, height, source."""
        names = [name for name in SCHEMA.names if name != "jpeg"]
        batches = [batch.select(names) for batch in self._batches]
        table = pa.Table.from_batches(batches, pa.schema([SCHEMA.field(name) for name in names]))
        manifest: pd.DataFrame = table.to_pandas()
        return manifest

    def positions(self, image_ids: Iterable[str]) -> NDArray[np.int64]:
        """Row of each image. Raises StoreError for an image that is not in the store."""
        if self._positions is None:
            ids = self.manifest()["image_id"]
            self._positions = pd.Series(np.arange(len(ids)), index=ids.to_numpy())
        wanted = list(image_ids)
        rows = self._positions.reindex(wanted)
        if rows.isna().any():
            raise StoreError(
                f"{int(rows.isna().sum())} of {len(wanted)} images are not in {self.path}: the splits were made from "
                "another store. Run the faces pipeline again."
            )
        return rows.to_numpy(dtype=np.int64)

    def jpeg(self, position: int) -> bytes:
        """Encoded bytes of the image in row `position`."""
        batch = int(np.searchsorted(self._starts, position, side="right")) - 1
        column = self._batches[batch].column(SCHEMA.names.index("jpeg"))
        return bytes(column[position - int(self._starts[batch])].as_buffer())

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


def _open(path: Path) -> tuple[dict[bytes, bytes], "list[pa.RecordBatch]"]:
    if not path.exists():
        raise StoreError(f"There is no store at {path}. Make it: kedro run --pipeline=faces")
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate(full=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path} is damaged ({error}). Delete it and run: kedro run --pipeline=faces") from error
    metadata = dict(reader.schema.metadata or {})
    version = metadata.get(b"version", b"none").decode()
    if version != FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {version}, this faceleak reads version {FORMAT_VERSION}. "
            "Delete it and run: kedro run --pipeline=faces"
        )
    return metadata, batches
