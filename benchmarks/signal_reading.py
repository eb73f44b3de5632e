"""What reading a signal costs, as a ratio to the plain forward pass of the same batch."""

import torch

from benchmarks.pairs import median_ratio
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.compute import keep_freed_memory
from faceleak.signals import registry

THRESHOLDS = {"bn_distance": 1.15}  # issue of the foundation; other signals are shown only
CASES = {"iresnet_demo": (64, 64), "iresnet18": (112, 8)}


def run() -> bool:
    """Print a row a net and signal; False where a threshold is missed."""
    keep_freed_memory()
    torch.set_num_threads(1)
    kept = True
    for architecture, (size, batch) in CASES.items():
        card = BackboneCard(
            architecture=architecture, embedding_size=128, preprocessing=Preprocessing(image_size=size)
        )
        backbone = Backbone(build(card), card).eval()
        faces = torch.rand(batch, 3, size, size)
        for name in ("bn_distance", "bn_moments"):
            read = registry.get(name).read
            with torch.inference_mode():
                ratio = median_ratio(lambda read=read: read(backbone, faces), lambda: backbone(faces))  # type: ignore[misc]
            limit = THRESHOLDS.get(name)
            kept &= limit is None or ratio <= limit
            print(f"{name:12} on {architecture:13} {ratio:.2f} × forward pass" + (f"  (at most {limit})" if limit else ""))
    return kept
