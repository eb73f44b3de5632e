"""Memory and rate while many tiny images are packed and the store is opened: `python -m benchmarks.scale [images]`."""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.memory import own_memory, watching
from benchmarks.synthetic_records import write_records
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.store import FaceStore

IMAGES, SIZE = 500_000, 16
EVERY = 5.0  # seconds


def run(images: int) -> None:
    """Print memory of this process and its workers, and the rate, every few seconds; then what opening takes."""
    with tempfile.TemporaryDirectory() as folder:
        records, store = Path(folder) / "train.rec", Path(folder) / "faces.arrow"
        write_records(records, images, SIZE)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(store, ended), daemon=True)
        started = time.perf_counter()
        watcher.start()
        Packing(RecordFaces(records)).into(store)
        print(f"packed {images:,} images at {images / (time.perf_counter() - started):,.0f} images/s")
        ended.set()
        watcher.join()
        _open(store)


def _watch(store: Path, ended: threading.Event) -> None:
    parts, before = store.with_name(f"{store.name}.parts"), 0
    while not ended.wait(EVERY):
        now = len(list(parts.glob("[0-9]*.arrow"))) * 1024 if parts.exists() else before
        print(f"{now:>10,} images  {own_memory():6.0f} MB  {(now - before) / EVERY:8,.0f} images/s", flush=True)
        before = now


def _open(path: Path) -> None:
    """Print what it takes to open the store, to list its images, and to find them again."""
    with _measuring("opening"):
        store = FaceStore(path)
    with _measuring("manifest"):
        manifest = store.manifest()
    with _measuring("positions of 100,000"):
        store.positions(manifest["image_id"].head(100_000))
    with _measuring("positions of all"):
        positions = store.positions(manifest["image_id"])
    with _measuring("names and hashes of all"):
        store.rows(positions, ["image_id", "sha256"])


@contextmanager
def _measuring(what: str) -> Iterator[None]:
    started = time.perf_counter()
    with watching() as peak:
        yield
    print(f"{what}: {time.perf_counter() - started:.2f} s, peak {peak.megabytes:.0f} MB in total", flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
