"""What reading a signal costs, as a ratio to the plain forward pass of the same batch."""

import torch

from benchmarks.pairs import median_ratio
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.compute import keep_freed_memory
from faceleak.signals import registry

LIMITS = {"bn_distance": 1.15, "bn_moments": None}
CASES = {"iresnet_demo": (64, 64), "iresnet18": (112, 8)}  # image size in pixels, batch size


def run() -> bool:
    """Print a row a net and signal; False where a limit is missed."""
    keep_freed_memory()
    torch.set_num_threads(1)
    kept = True
    for architecture, (size, batch) in CASES.items():
        for signal, limit in LIMITS.items():
            ratio = cost(signal, architecture, size, batch)
            kept &= limit is None or ratio <= limit
            allowed = f"  (at most {limit})" if limit else ""
            print(f"{signal:12} on {architecture:13} {ratio:.2f} × the forward pass{allowed}")
    return kept


def cost(signal: str, architecture: str, size: int, batch: int) -> float:
    """Median time of reading a batch, as a ratio to the forward pass."""
    card = BackboneCard(architecture=architecture, embedding_size=128, preprocessing=Preprocessing(image_size=size))
    backbone = Backbone(build(card), card).eval()
    faces = torch.rand(batch, 3, size, size)
    read = registry.get(signal).read
    with torch.inference_mode():
        return median_ratio(lambda: read(backbone, faces), lambda: backbone(faces))
