"""Memory and rate while many tiny images are packed and the store is opened: `python -m benchmarks.scale [images]`."""

import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.memory import own_memory
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
        print(f"{now:>10,} images  {own_memory():6.0f} MB  {(now - before) / EVERY:8,.0f} images/s")
        before = now


def _open(path: Path) -> None:
    started, before = time.perf_counter(), own_memory()
    store = FaceStore(path)
    print(f"opening: {time.perf_counter() - started:.2f} s, {own_memory() - before:+.0f} MB")
    started = time.perf_counter()
    manifest = store.manifest()
    print(f"manifest: {time.perf_counter() - started:.2f} s, {own_memory() - before:+.0f} MB")
    started = time.perf_counter()
    store.positions(manifest["image_id"].head(100_000))
    print(f"positions of 100,000: {time.perf_counter() - started:.2f} s, {own_memory() - before:+.0f} MB")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
