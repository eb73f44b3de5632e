"""Memory while one backbone's signals of many images are read, on both engines: `python -m benchmarks.reading_memory`.

A line every few seconds: images whose signals are written, memory of this process and of its largest worker. Then, for
each engine, how much the largest worker grew from a fifth of the images to all of them. `… 100000` takes fewer images.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.memory import anonymous_memory
from benchmarks.synthetic_records import write_records
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.store import FaceStore
from faceleak.signals.reading import read_signals
from faceleak.work.compute import ComputeOptions, keep_freed_memory, run_tasks

IMAGES, SIZE, SHARD, WORKERS = 500_000, 16, 20_000, 2
EVERY, TOLD_EVERY = 0.2, 10.0  # seconds
GROWTH = 1.1  # at most, of the largest worker
CARD = BackboneCard(
    architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=SIZE, fit="stretch")
)
WORKING = ("multiprocessing.spawn", "ray::_work", "ray::IDLE")


@dataclass
class Watch:
    """Memory of this process and of its largest worker, in MB, beside how many images are done."""

    done: Callable[[], int]
    ended: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[int, float, float]] = field(default_factory=list)

    def run(self) -> None:
        """Look until it has ended."""
        told = time.monotonic()
        while not self.ended.wait(EVERY):
            self.seen.append((self.done(), anonymous_memory(psutil.Process()), _largest_worker()))
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                images, own, worker = self.seen[-1]
                print(f"{images:>10,} images  this process {own:6.0f} MB  largest worker {worker:6.0f} MB", flush=True)

    def largest(self, first: int, last: int) -> float:
        """The largest worker while so many images were done."""
        return max((worker for images, _, worker in self.seen if first <= images <= last), default=0.0)


def run(images: int) -> bool:
    """Print the lines; False where a worker grew."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        records, path = Path(folder) / "train.rec", Path(folder) / "faces.arrow"
        write_records(records, images, SIZE)
        Packing(RecordFaces(records)).into(path)
        store = FaceStore(path)
        common = {"device": "cpu", "precision": "float32", "threads": 1, "workers": WORKERS, "shard_images": SHARD}
        flat = [
            _read(engine, store, ComputeOptions(**common, engine=engine, cache=Path(folder) / engine))
            for engine in ("local", "ray")
        ]
    return all(flat)


def _read(engine: str, store: FaceStore, compute: ComputeOptions) -> bool:
    folder, images = compute.cache / "signals", store.manifest()[["image_id", "identity"]]
    watch = Watch(lambda: SHARD * len(list(folder.glob("[0-9a-f]*.parquet"))))
    watcher = threading.Thread(target=watch.run, daemon=True)
    run_tasks(abs, [0, 1], compute)  # a cluster takes its time to start
    started = time.perf_counter()
    watcher.start()
    read_signals(["bn_moments"], Backbone(build(CARD), CARD).eval(), store, images, compute)
    rate = len(images) / (time.perf_counter() - started)
    watch.ended.set()
    watcher.join()
    own = max(own for _, own, _ in watch.seen)
    early, late = watch.largest(0, len(images) // 5), watch.largest(len(images) // 5, len(images))
    print(
        f"{engine}: {len(images):,} images in shards of {SHARD:,} at {rate:,.0f} images/s; largest worker "
        f"{early:.0f} MB in the first fifth, {late:.0f} MB after it; this process {own:.0f} MB",
        flush=True,
    )
    return late <= GROWTH * early


def _largest_worker() -> float:
    sizes = [0.0]
    for process in psutil.Process().children(recursive=True):
        try:
            if any(word in " ".join(process.cmdline()) for word in WORKING):
                sizes.append(anonymous_memory(process))
        except psutil.Error:  # it has ended
            continue
    return max(sizes)


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES) else 1)
