"""How CPU time and memory grow with images, people, BN layers and references: `python -m benchmarks.growth [name]`.

A line a series, with the exponent of a power law fitted to the sizes; at most 1.05, as everything here can be linear.
Two minutes of CPU time.
"""

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.validation import write_set
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.faces.options import RoleOptions, SplitOptions, ValidationOptions
from faceleak.faces.splits import split
from faceleak.faces.store import FaceStore, pack
from faceleak.faces.validation import validate
from faceleak.membership.attacks import fit_attack
from faceleak.membership.inputs import AttackInput
from faceleak.membership.options import AttackOptions
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.sample import Blots
from faceleak.signals import EmbeddedImages, reference_similarity
from faceleak.signals.reading import read_signals
from faceleak.work.compute import ComputeOptions, keep_freed_memory

LIMIT = 1.05
ROUNDS = 3
SIGNALS = ["bn_distance", "bn_moments", "embedding_norm"]
Job = Callable[[], object]


@dataclass(frozen=True)
class Series:
    """`prepare` makes the job for a size; what it makes besides is not measured."""

    sizes: Sequence[int]
    prepare: Callable[[int], Job]


def run(only: str = "") -> bool:
    """Print a line a series; False where time or memory grows faster than it could."""
    keep_freed_memory()
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        for name, series in all_series(Path(folder)).items():
            if only in name:
                kept &= _report(name, series)
    return kept


def _report(name: str, series: Series) -> bool:
    seconds, megabytes = zip(*(measure(series.prepare, size) for size in series.sizes), strict=True)
    grows = {"time": exponent(series.sizes, seconds), "memory": exponent(series.sizes, megabytes)}
    sizes = " → ".join(f"{size:,}" for size in (series.sizes[0], series.sizes[-1]))
    print(
        f"{name}: {sizes}: {seconds[0]:.3f} → {seconds[-1]:.3f} s, exponent {grows['time']:.2f}; "
        f"{megabytes[0]:.1f} → {megabytes[-1]:.1f} MB, exponent {grows['memory']:.2f}  (at most {LIMIT})",
        flush=True,
    )
    return max(grows.values()) <= LIMIT


def measure(prepare: Callable[[int], Job], size: int) -> tuple[float, float]:
    """Least CPU seconds of a few rounds, and the most memory in MB that Python and numpy take meanwhile."""
    times = []
    for _ in range(ROUNDS):
        job = prepare(size)
        started = time.process_time()
        job()
        times.append(time.process_time() - started)
    job = prepare(size)
    tracemalloc.start()
    job()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return min(times), most / 1e6


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Slope of the logarithms, over all sizes."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-6)), 1)[0])


def all_series(folder: Path) -> dict[str, Series]:
    """All that is measured, by name."""
    store = Path(folder) / "blots.arrow"
    pack(Blots((32, 32)), store)
    faces = FaceStore(store)
    return {
        "signals against images": Series((40, 80, 160, 320), lambda n: reading(faces, folder, n, 2)),
        "signals against BN layers": Series((4, 8, 16, 32), lambda n: reading(faces, folder, 160, n)),
        "splitting against images": Series((50_000, 100_000, 200_000, 400_000), lambda n: splitting(n, 2000)),
        "splitting against people": Series((1000, 2000, 4000, 8000), lambda n: splitting(50 * n, n)),
        "validation against images": Series((50_000, 100_000, 200_000, 400_000), lambda n: validating(folder, n)),
        "fitting against images": Series((5000, 10_000, 20_000, 40_000), lambda n: fitting(n, 0, None)),
        "calibrating (features) against references": Series((4, 8, 16, 32), lambda n: fitting(4000, n, "features")),
        "calibrating (bavaria) against references": Series((4, 8, 16, 32), lambda n: fitting(4000, n, "bavaria")),
        "similarity against images of one person": Series((2000, 4000, 8000, 16_000), lambda n: comparing(n, 1)),
        "similarity against people": Series((500, 1000, 2000, 4000), lambda n: comparing(20, n)),
        "intervals against images": Series((4000, 8000, 16_000, 32_000), lambda n: judging(n, 400)),
        "intervals against people": Series((400, 800, 1600, 3200), lambda n: judging(10 * n, n)),
    }


def reading(store: FaceStore, folder: Path, images: int, blocks: int) -> Job:
    """Read signals off an untrained network with so many residual blocks of one kind."""
    arguments = {"depths": [1, 1, blocks, 1], "widths": [16, 16, 16, 16], "image_size": 32, "embedding_size": 16}
    card = BackboneCard(
        architecture="faceleak.backbones.iresnet:IResNet",
        arguments=arguments,
        embedding_size=16,
        preprocessing=Preprocessing(image_size=32),
    )
    backbone, rows = Backbone(build(card), card).eval(), store.manifest().head(images)
    cache = Path(tempfile.mkdtemp(dir=folder))
    compute = ComputeOptions(device="cpu", precision="float32", workers=1, batch_size=20, cache=cache)
    return lambda: read_signals(SIGNALS, backbone, store, rows, compute)


def splitting(images: int, people: int) -> Job:
    """Draw roles for so many images of so many people."""
    numbers = np.arange(images)
    manifest = pd.DataFrame(
        {
            "image_id": pd.Series([f"{number:08d}" for number in numbers], dtype="str"),
            "identity": pd.Series([f"{number % people}" for number in numbers], dtype="str"),
            "sha256": pd.Series([f"{number:064d}" for number in numbers], dtype="str"),
        }
    )
    roles = {"member": RoleOptions(people=people // 2), "unseen_identity": RoleOptions(people="all")}
    return lambda: split(manifest, SplitOptions(roles=roles))


def validating(folder: Path, images: int) -> Job:
    """Validate store, manifest and splits of so many images."""
    place = Path(tempfile.mkdtemp(dir=folder))
    store, manifest, splits = (place / name for name in ("faces.arrow", "manifest", "splits"))
    write_set(store, manifest, splits, images)
    return lambda: validate(FaceStore(store), manifest, splits, ValidationOptions(minimum_size=16))


def fitting(images: int, references: int, calibration: str | None) -> Job:
    """Fit a logistic attack on twenty numbers an image."""
    random, columns = np.random.default_rng(0), [f"bn_moments.{number}" for number in range(20)]
    identity = np.arange(images) // 10
    is_member = identity % 2 == 0

    def table(shift: float) -> pd.DataFrame:
        return pd.DataFrame(random.normal(size=(images, 20)) + shift * is_member[:, None], columns=columns)

    people = pd.DataFrame({"image_id": np.arange(images).astype(str), "identity": identity, "is_member": is_member})
    others, non_members = [table(0.0) for _ in range(references)], np.ones((images, references), bool)
    inputs = AttackInput(people, table(0.3), others, non_members)
    options = AttackOptions(signals=["bn_moments"], calibration=calibration)
    return lambda: fit_attack([inputs], options)


def comparing(images: int, people: int) -> Job:
    """Compare the embeddings of so many images of each person."""
    vectors = np.random.default_rng(0).normal(size=(images * people, 128)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    embedded = EmbeddedImages(unit, np.repeat(np.arange(people), images), np.empty((0, 128), np.float32))
    return lambda: reference_similarity.compare(embedded)


def judging(images: int, people: int) -> Job:
    """Measure an attack with intervals over a hundred resamples."""
    random, identity = np.random.default_rng(0), np.arange(images) % people
    is_member = identity % 2 == 0
    score = random.normal(size=images) + is_member
    scores = pd.DataFrame(
        {
            "image_id": np.arange(images).astype(str),
            "identity": identity.astype(str),
            "population": np.where(is_member, "member", "unseen_identity"),
            "is_member": is_member,
            "score": score,
            "says_member": score > 0.5,
        }
    )
    return lambda: measure_membership(scores, None, BootstrapOptions(resamples=100))


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1] if len(sys.argv) > 1 else "") else 1)
