"""How fast faces are embedded from the store, as a share of the bare forward pass: `python -m benchmarks.embedding`."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.lfw import PUBLIC, load_options
from benchmarks.synthetic_records import write_records
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import embed
from faceleak.backbones.faces_input import to_tensor
from faceleak.backbones.loading import load_checkpoint
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, keep_freed_memory, pick_device

LEAST = {"iresnet_demo": 0.85}  # it computes a face in the time of ten decodings
LEAST_OF_OTHERS = 0.95
BATCH = 64
IMAGES = {"cpu": 1024, "cuda": 20_000}
ROUNDS = 5


def run() -> bool:
    """Print a row a backbone; False where the share of one is below the least."""
    keep_freed_memory()
    compute = ComputeOptions(batch_size=BATCH)
    with tempfile.TemporaryDirectory() as folder:
        shares = {name: _share(name, backbone, Path(folder) / name, compute) for name, backbone in _backbones()}
    return all(share >= LEAST.get(name, LEAST_OF_OTHERS) for name, share in shares.items())


def _backbones() -> Iterator[tuple[str, Backbone]]:
    card = BackboneCard(architecture="iresnet_demo", embedding_size=128, preprocessing=Preprocessing(image_size=64))
    yield "iresnet_demo", Backbone(build(card), card).eval()
    name = next(iter(PUBLIC))
    options = load_options(name)
    if options.weights.exists():
        yield name, load_checkpoint(options.card(), options.weights)
    else:
        print(f"embedding: {name} skipped, there is no {options.weights}")


def _store(folder: Path, images: int, size: int) -> FaceStore:
    folder.mkdir()
    write_records(folder / "train.rec", images, size)
    Packing(RecordFaces(folder / "train.rec")).into(folder / "faces.arrow")
    return FaceStore(folder / "faces.arrow")


def _share(name: str, backbone: Backbone, folder: Path, compute: ComputeOptions) -> float:
    device = pick_device(compute)
    backbone, store = backbone.to(device), _store(folder, IMAGES[device.type], backbone.canvas.height)
    ids = store.manifest()["image_id"]
    starts = range(0, len(store), BATCH)
    faces = to_tensor(store.images(range(BATCH), backbone.canvas), device)

    def forward() -> None:
        with torch.inference_mode(), reading(backbone):
            for start in starts:
                last = backbone(faces[: len(store) - start])
            last.cpu()

    rounds = [(_times(forward), _times(lambda: embed(backbone, store, ids, compute))) for _ in range(ROUNDS + 1)][1:]
    share, of_thread = (statistics.median(bare[i] / whole[i] for bare, whole in rounds) for i in range(2))
    print(
        f"embedding by {name} on {device.type} from the store: {share:.1%} of the forward rate  "
        f"(at least {LEAST.get(name, LEAST_OF_OTHERS):.0%}); by CPU time of the thread that computes {of_thread:.1%}",
        flush=True,
    )
    return share


def _times(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds of one call by the clock, and CPU seconds of this thread."""
    started = time.perf_counter(), time.thread_time()
    function()
    return time.perf_counter() - started[0], time.thread_time() - started[1]


if __name__ == "__main__":
    sys.exit(0 if run() else 1)
