"""What validation takes at the size of MS1M, and checking images by hash against decoding them.

`python -m benchmarks.validation [rows]`. Five minutes for 5.8 million rows on an idle core, 4 GB of disk.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory import own_memory, watching
from benchmarks.pairs import median_ratio
from benchmarks.synthetic_records import IMAGES_PER_PERSON, write_records
from faceleak.faces import validation
from faceleak.faces.images import decode_jpeg, encode_jpeg
from faceleak.faces.options import ValidationOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.store import FORMAT_VERSION, ROWS_PER_BATCH, SCHEMA, FaceStore
from faceleak.faces.validation import check_images, validate

ROWS, ROWS_AT_ONCE = 5_800_000, 1 << 18
LIMIT = 2000  # MB
ROLES = ("member", "unseen_identity", "auxiliary", "public")


def run(rows: int = ROWS) -> bool:
    """Print CPU seconds and peak memory of the validation of a synthetic set; False above the limit."""
    _compare_hashing_with_decoding()
    with tempfile.TemporaryDirectory() as folder:
        store, manifest, splits = (Path(folder) / name for name in ("faces.arrow", "manifest", "splits"))
        write_set(store, manifest, splits, rows)
        before, watch = own_memory(), _Watch()
        validation._evaluate = watch(validation._evaluate)
        with watching() as peak:
            started = time.process_time()
            result = validate(FaceStore(store), manifest, splits, ValidationOptions(minimum_size=16))
            seconds = time.process_time() - started
    print(
        f"validation of {result['rows']:,} rows: {seconds:.0f} s of CPU time, of which Great Expectations "
        f"{watch.seconds:.0f} s; peak {peak.megabytes:.0f} MB, of which {before:.0f} MB before  (at most {LIMIT} MB)"
    )
    return peak.megabytes <= LIMIT


class _Watch:
    """Adds up the CPU seconds that a function takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.process_time() - started

        return timed


def write_set(store: Path, manifest: Path, splits: Path, rows: int) -> None:
    """Write a store of one tiny image under `rows` hashes, its manifest, and splits with one role a person."""
    schema = SCHEMA.with_metadata({b"version": FORMAT_VERSION, b"fingerprint": b"synthetic"})
    with (
        pa.OSFile(str(store), "wb") as sink,
        pa.ipc.new_file(sink, schema) as faces,
        pq.ParquetWriter(manifest, MANIFEST) as images,
        pq.ParquetWriter(splits, SPLITS) as roles,
    ):
        for part in _parts(rows):
            faces.write_table(_table(part, schema), ROWS_PER_BATCH)
            images.write_table(_table(part, MANIFEST))
            roles.write_table(_table(part, SPLITS))


MANIFEST = pa.schema([field for field in SCHEMA if field.name != "jpeg"])
SPLITS = pa.schema(
    [(name, pa.string()) for name in ("image_id", "identity", "sha256", "role")]
    + [("known", pa.bool_()), ("decided_by", pa.string())]
)


def _table(part: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pandas(part[schema.names], schema, preserve_index=False)


def _parts(rows: int) -> Iterator[pd.DataFrame]:
    jpeg = encode_jpeg(np.zeros((16, 16, 3), np.uint8))
    for start in range(0, rows, ROWS_AT_ONCE):
        numbers = np.arange(start, min(start + ROWS_AT_ONCE, rows))
        people = numbers // IMAGES_PER_PERSON
        jpegs = [jpeg + number.tobytes() for number in numbers]
        yield pd.DataFrame(
            {
                "image_id": [f"{number:08d}" for number in numbers],
                "identity": [f"{person}" for person in people],
                "sha256": [hashlib.sha256(content).hexdigest() for content in jpegs],
                "width": np.int32(16),
                "height": np.int32(16),
                "source": "train.rec",
                "jpeg": jpegs,
                "role": np.array(ROLES)[people % len(ROLES)],
                "known": people % 8 < 2,
                "decided_by": "draw",
            }
        )


def _compare_hashing_with_decoding() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder) / "train.rec", 4000, 112)
        Packing(RecordFaces(Path(folder) / "train.rec")).into(Path(folder) / "faces.arrow")
        store = FaceStore(Path(folder) / "faces.arrow")
        size = np.mean([len(store.jpeg(row)) for row in range(len(store))])

        def decode() -> None:
            for row in range(len(store)):
                decode_jpeg(store.jpeg(row))

        ratio = median_ratio(decode, lambda: check_images(store), rounds=5)
    print(f"checking images of {size / 1e3:.1f} kB by hash: {ratio:.1f} times as fast as decoding them one by one")


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS) else 1)
