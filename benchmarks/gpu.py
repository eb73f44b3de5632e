"""What a GPU spends on the networks themselves: signal reading, training, stage 2. `python -m benchmarks.gpu`.

Each row is the whole against the networks' own passes over batches that lie on the GPU already. Networks of the size
that a lab audits, with random weights, on synthetic faces of 112×112. Without a GPU there is nothing to measure.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.signal_reading import in_one_pass
from benchmarks.stylegan2 import random_generator
from benchmarks.synthetic_records import write_records
from faceleak.backbones.arcface import ArcFaceHead
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import read_faces
from faceleak.backbones.training import train
from faceleak.backbones.training_options import TrainingOptions
from faceleak.backbones.training_task import TrainingTask
from faceleak.common.errors import FaceleakError
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.store import FaceStore
from faceleak.reconstruction.drawing import gradient
from faceleak.signals import registry
from faceleak.signals.observation import Need, observe
from faceleak.work.compute import ComputeOptions, pick_device, training_dtype

NETWORKS = ("iresnet50", "iresnet100")
SIZE = 112  # pixels
READING_BATCH, TRAINING_BATCH, SEARCH_BATCH = 256, 256, 64
IMAGES, STEPS = 20_480, 20
EMBEDDING_SIZE = 512
ROUNDS = 3
LEAST = 0.85  # share of the time in the networks' own passes


def run() -> bool:
    """Print a row a network and kind of work; False where the networks get less than `LEAST` of the time."""
    if not torch.cuda.is_available():
        print("gpu: skipped, there is none")
        return True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store = _store(Path(folder))
        shares = [
            share(architecture, store, Path(folder))
            for architecture in NETWORKS
            for share in (reading_share, training_share, search_share)
        ]
    return min(shares) >= LEAST


def reading_share(architecture: str, store: FaceStore, _folder: Path) -> float:
    """Read all signals of one pass from the store, against plain passes in the same type."""
    backbone, compute = _backbone(architecture), ComputeOptions(batch_size=READING_BATCH)
    signals = [signal for signal in in_one_pass() if signal.access != "head"]
    needs = frozenset[Need]().union(*(signal.needs for signal in signals))
    image_ids = store.manifest()["image_id"]
    faces = torch.rand(READING_BATCH, 3, SIZE, SIZE, device="cuda").to(memory_format=torch.channels_last)

    def compute_all(net: Backbone, batch: Tensor) -> Tensor:
        seen = observe(net, batch, needs)
        return torch.cat([signal.compute(seen) for signal in signals], dim=1)

    def read() -> None:
        read_faces(compute_all, backbone, store, image_ids, compute, "Reading")

    def plain() -> None:
        with torch.inference_mode(), reading(backbone):
            for _ in range(IMAGES // READING_BATCH):
                backbone(faces)

    return _report(f"{architecture}: {len(signals)} signals, float32", _rounds(read, plain), IMAGES)


def training_share(architecture: str, store: FaceStore, folder: Path) -> float:
    """Train from the store, against as many steps on one batch; what an epoch adds, so that the start is left out."""
    compute = ComputeOptions()
    device = pick_device(compute)
    dtype = training_dtype(compute, device)
    images = store.rows(store.positions(store.manifest()["image_id"]), ["image_id", "identity", "sha256"])
    backbone = _backbone(architecture).train()
    head = ArcFaceHead(images["identity"].nunique(), EMBEDDING_SIZE, 0.5, 64.0).to(device)
    optimizer = torch.optim.SGD([*backbone.parameters(), *head.parameters()], 0.01, 0.9, weight_decay=5e-4)
    faces = torch.rand(TRAINING_BATCH, 3, SIZE, SIZE, device=device).to(memory_format=torch.channels_last)
    classes = torch.zeros(TRAINING_BATCH, dtype=torch.long, device=device)

    def whole(epochs: int) -> None:
        options = TrainingOptions(architecture=architecture, epochs=epochs, batch_size=TRAINING_BATCH)
        train(TrainingTask("the target", store, images, options, compute, folder))

    def steps() -> None:
        for _ in range(IMAGES // TRAINING_BATCH):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                embeddings = backbone(faces)
            optimizer.zero_grad()
            head(embeddings, classes).backward()
            optimizer.step()

    _seconds(steps)
    own = _seconds(steps)
    short, long = _seconds(lambda: whole(1)), _seconds(lambda: whole(3))
    return _report(f"{architecture}: training, {dtype}", [((long - short) / 2, own)], IMAGES)


def search_share(architecture: str, _store: FaceStore, _folder: Path) -> float:
    """Maximize the BN distances of faces from StyleGAN2, against generator, resizing and backbone alone, both ways."""
    backbone, prior = _backbone(architecture).requires_grad_(False), random_generator(torch.device("cuda"))
    reader, dtype = registry.get_reader("bn_distance"), torch.bfloat16
    latents, noise = torch.randn(2, SEARCH_BATCH, prior.latent_size, device="cuda")

    def maximize() -> None:
        for _ in range(STEPS):
            gradient(prior, lambda faces, _: reader.read(backbone, faces).sum(1), latents, noise, 0.3, dtype)

    def networks() -> None:
        for _ in range(STEPS):
            start = latents.clone().requires_grad_(True)
            with torch.autocast("cuda", dtype):
                faces = prior.faces(start)
            embeddings = backbone(functional.interpolate(faces.float(), size=SIZE, mode="bilinear"))
            torch.autograd.grad(embeddings.sum(), start)

    return _report(
        f"{architecture} and StyleGAN2: ascending, {dtype}", _rounds(maximize, networks), STEPS * SEARCH_BATCH
    )


def _report(name: str, measured: Iterable[tuple[float, float]], images: int) -> float:
    rounds = list(measured)
    seconds = statistics.median(taken for taken, _ in rounds)
    share = statistics.median(own / taken for taken, own in rounds)
    own_rate = images / statistics.median(own for _, own in rounds)
    print(
        f"{name:44} {images / seconds:8,.0f} images/s, networks alone {own_rate:8,.0f}: {share:.0%} of the time",
        flush=True,
    )
    return share


def _rounds(whole: Callable[[], object], networks: Callable[[], object]) -> Iterator[tuple[float, float]]:
    for number in range(ROUNDS + 1):
        taken = _seconds(whole), _seconds(networks)
        if number:  # the first one warms up
            yield taken


def _seconds(function: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _backbone(architecture: str) -> Backbone:
    card = BackboneCard(
        architecture=architecture, embedding_size=EMBEDDING_SIZE, preprocessing=Preprocessing(image_size=SIZE)
    )
    backbone = Backbone(build(card), card).to("cuda")
    with torch.no_grad():  # for BN statistics that fit, without which activations grow from layer to layer
        for _ in range(20):
            backbone.train()(torch.rand(64, 3, SIZE, SIZE, device="cuda"))
    return backbone.eval()


def _store(folder: Path) -> FaceStore:
    write_records(folder / "train.rec", IMAGES, SIZE)
    Packing(RecordFaces(folder / "train.rec")).into(folder / "faces.arrow")
    return FaceStore(folder / "faces.arrow")


if __name__ == "__main__":
    try:
        sys.exit(0 if run() else 1)
    except FaceleakError as error:
        sys.exit(str(error))
