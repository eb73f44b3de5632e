"""LFW by public backbones: `python -m benchmarks.lfw`. Four minutes on one core; skipped without the faces.

Accuracy by the protocol, and whom both together recognize in photos that were scaled down, as evaluators of stage 2 do.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.external import external_data
from faceleak.auditing.target import measure_lfw_accuracy
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.loading import load_checkpoint
from faceleak.backbones.target_options import LoadOptions
from faceleak.faces.packing import Packing
from faceleak.faces.pairs import locate, read_pairs
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions, keep_freed_memory

EXTERNAL = external_data() or Path("data/external")
FACES = EXTERNAL / "faces" / "lfw_aligned112"
TOLERANCE = 0.0015
SIZES = (112, 64, 48, 32, 24)  # pixels
IMAGES = 5  # of a person who is to be recognized: the first, by a template of the others
FAR = 0.001
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
        weights=EXTERNAL / "backbones" / weights,
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


def embedded(backbone: Backbone, store: FaceStore, image_ids: pd.Series, size: int) -> NDArray[np.float32]:
    """Embeddings (n, d) of unit length, of faces that are scaled to `size` pixels first."""
    batches = face_batches(store, store.positions(image_ids), size, 32, torch.device("cpu"))
    with torch.inference_mode():
        embeddings = torch.cat([torch.nn.functional.normalize(backbone(faces)) for faces in batches])
    return embeddings.numpy()


def recognized(store: FaceStore) -> dict[int, float]:
    """Share of people whom all of `PUBLIC` find among each other at `FAR` in a photo of so many pixels."""
    manifest = store.manifest().sort_values("image_id")
    number = manifest.groupby("identity").cumcount()
    often = manifest.groupby("identity")["image_id"].transform("size") >= IMAGES
    shown, others = manifest[often & (number == 0)], manifest[often & (number > 0) & (number < IMAGES)]
    non_members = manifest[~often & (number == 0)].head(1000)
    found = {size: np.ones(len(shown), bool) for size in SIZES}
    for architecture in PUBLIC:
        options = load_options(architecture)
        backbone = load_checkpoint(options.card(), options.weights).eval()
        templates = embedded(backbone, store, others["image_id"], SIZES[0]).reshape(len(shown), IMAGES - 1, -1).mean(1)
        templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        threshold = np.quantile(embedded(backbone, store, non_members["image_id"], SIZES[0]) @ templates.T, 1 - FAR)
        for size in SIZES:
            cosines = embedded(backbone, store, shown["image_id"], size) @ templates.T
            found[size] &= (cosines.argmax(1) == np.arange(len(shown))) & (cosines.max(1) >= threshold)
    return {size: float(right.mean()) for size, right in found.items()}


def run() -> bool:
    """Print the accuracies; False where one is further from what it has to be than the tolerance."""
    if not FACES.is_dir():
        print(f"LFW: skipped, there is no {FACES} (docs/external-data.md)")
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
        shares = ", ".join(f"{size} px {share:.2f}" for size, share in recognized(store).items())
        print(f"LFW: both recognize, at FAR {FAR:.1%}: {shares}")
    return right


if __name__ == "__main__":
    sys.exit(0 if run() else 1)
