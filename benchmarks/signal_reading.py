"""What reading signals costs, as a ratio to the plain forward pass of the same batch."""

from collections.abc import Sequence

import torch

from benchmarks.pairs import median_ratio
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.signals import Signal, registry
from faceleak.signals.observation import Need, observe
from faceleak.work.compute import keep_freed_memory

LIMITS = {"bn_distance": 1.15, "bn_moments": None}
TOGETHER = 1.25  # all signals that need no pass of their own
CASES = {"iresnet_demo": (64, 64), "iresnet18": (112, 8)}  # image size in pixels, batch size


def run() -> bool:
    """Print a row a net and signal, and one for all signals together; False where a limit is missed."""
    keep_freed_memory()
    torch.set_num_threads(1)
    kept = True
    rows = [(name, [registry.get_reader(name)], limit) for name, limit in LIMITS.items()]
    rows.append(("all together", in_one_pass(), TOGETHER))
    for architecture, (size, batch) in CASES.items():
        for label, signals, limit in rows:
            ratio = cost(signals, architecture, size, batch)
            kept &= limit is None or ratio <= limit
            allowed = f"  (at most {limit})" if limit else ""
            print(f"{label:12} on {architecture:13} {ratio:.2f} × the forward pass{allowed}")
    return kept


def in_one_pass() -> list[Signal]:
    """All signals that share one forward pass; `pixel_statistics` takes none, and is read once for all backbones."""
    signals = [registry.get(name) for name in registry.names()]
    return [signal for signal in signals if isinstance(signal, Signal) and signal.needs and not signal.extra_passes]


def cost(signals: Sequence[Signal], architecture: str, size: int, batch: int) -> float:
    """Median time of reading `signals` off a batch in one pass, as a ratio to the forward pass."""
    card = BackboneCard(architecture=architecture, embedding_size=128, preprocessing=Preprocessing(image_size=size))
    backbone = Backbone(build(card), card).eval()
    faces = torch.rand(batch, 3, size, size)
    needs = frozenset[Need]().union(*(signal.needs for signal in signals))

    def read() -> None:
        seen = observe(backbone, faces, needs)
        for signal in signals:
            signal.compute(seen)

    with torch.inference_mode():
        return median_ratio(read, lambda: backbone(faces))
