"""LFW accuracy of public backbones: `python -m benchmarks.lfw`. Two minutes on one core; skipped without ../shared."""

import sys
import tempfile
from pathlib import Path

from faceleak.backbones.loading import load_checkpoint
from faceleak.backbones.target_options import LoadOptions
from faceleak.compute import ComputeOptions, keep_freed_memory
from faceleak.faces.packing import Packing
from faceleak.faces.pairs import locate, read_pairs
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.target.nodes import measure_lfw_accuracy

SHARED = Path(__file__).parents[2] / "shared"
FACES = SHARED / "faces" / "lfw_aligned112"
TOLERANCE = 0.0015
# measured with the repositories' own code
PUBLIC = {
    "mobilefacenet_bubbliiiing": ("mobilefacenet_casia_arcface112/arcface_mobilefacenet.pth", "arcface", 0.9858),
    "mobilefacenet_foamliu": ("mobilefacenet_ms1m_arcface112/mobilefacenet.pt", "imagenet", 0.9937),
}


def load_options(architecture: str) -> LoadOptions:
    """How one of `PUBLIC` is loaded."""
    weights, preprocessing, _ = PUBLIC[architecture]
    return LoadOptions(
        architecture=architecture,
        weights=SHARED / "backbones" / weights,
        embedding_size=128,
        preprocessing=preprocessing,
    )


def measure(architecture: str, store: FaceStore, compute: ComputeOptions) -> dict[str, float]:
    """`lfw_accuracy` of one of `PUBLIC`, with its interval over folds; `store` holds `FACES`."""
    options = load_options(architecture)
    backbone = load_checkpoint(options.card(), options.weights)
    path = FACES / "pairs.txt"
    pairs = locate(read_pairs(path), store.manifest()["image_id"], path)
    return measure_lfw_accuracy(backbone, store, pairs, BootstrapOptions(), compute)


def run() -> bool:
    """Print the accuracies; False where one is further from what it has to be than the tolerance."""
    if not FACES.is_dir():
        print(f"LFW: skipped, there is no {FACES}")
        return True
    keep_freed_memory()
    right = True
    with tempfile.TemporaryDirectory() as folder:
        Packing(FaceFolder(FACES)).into(Path(folder) / "lfw.arrow")
        store = FaceStore(Path(folder) / "lfw.arrow")
        for architecture, (_, _, expected) in PUBLIC.items():
            found = measure(architecture, store, ComputeOptions(precision="float32"))
            right &= abs(found["lfw_accuracy"] - expected) <= TOLERANCE
            print(
                f"LFW: {architecture} {found['lfw_accuracy']:.4f} "
                f"[{found['lfw_accuracy_ci_low']:.4f}, {found['lfw_accuracy_ci_high']:.4f}], expected {expected:.4f} "
                f"± {TOLERANCE}"
            )
    return right


if __name__ == "__main__":
    sys.exit(0 if run() else 1)
