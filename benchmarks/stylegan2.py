"""One latent step of stage 2 (generator, backbone, gradient) with our StyleGAN2 against the grouped convolutions.

Random weights: 64 pixels, 17 million parameters. On a CPU it is the CPU time of one thread, which other processes
hardly change. `python -m benchmarks.stylegan2`
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import grouped_stylegan2
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.reconstruction.drawing import Maximized, gradient
from faceleak.reconstruction.latents import Sphere
from faceleak.reconstruction.priors.published import from_official
from faceleak.reconstruction.priors.stylegan2_network import Shape, StyleGAN2
from faceleak.signals import registry
from faceleak.work.compute import keep_freed_memory

CHANNELS, Z_SIZE, W_SIZE, MAPPING_LAYERS = (512, 512, 512, 256, 128), 512, 512, 2
BATCH, ROUNDS, LIMIT = 16, 5, 4.0  # of the fastest form, on a CPU


class Drawing:
    """A prior of w → images, for the benchmark alone."""

    def __init__(self, styles: int, to_w: Callable[[Tensor], Tensor], draw: Callable[[Tensor], Tensor]) -> None:
        self.latent_size, self.space = Z_SIZE, Sphere(Z_SIZE)
        self._styles, self._to_w, self._draw = styles, to_w, draw

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, 512) → faces (n, 3, 64, 64)."""
        w = self._to_w(latents)[:, None].expand(-1, self._styles, -1)
        return (self._draw(w).clamp(-1, 1) + 1) / 2


def run() -> bool:
    """Print seconds and ratios; False where no form of ours is `LIMIT` times as fast as the grouped one."""
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    torch.set_num_threads(1)
    steps = make_steps(device)
    ratios: dict[str, list[float]] = {name: [] for name in steps}
    measured: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(ROUNDS + 1):
        taken = {name: _seconds(step, clock) for name, step in steps.items()}
        if round_number:  # the first one warms up
            for name, duration in taken.items():
                measured[name].append(duration)
                ratios[name].append(taken["grouped"] / duration)
    for name in steps:
        print(f"{name:32} {statistics.median(measured[name]):7.3f} s   {statistics.median(ratios[name]):5.2f} ×")
    return device.type != "cpu" or max(statistics.median(values) for values in ratios.values()) >= LIMIT


def make_steps(device: torch.device) -> dict[str, Callable[[], object]]:
    """A function for each form that computes one gradient; all start from the same weights and latents."""
    state = grouped_stylegan2.random_state(CHANNELS, Z_SIZE, W_SIZE, MAPPING_LAYERS)
    shape, weights = from_official(state, "random weights")
    print(f"{sum(tensor.numel() for tensor in weights.values()) / 1e6:.1f} M numbers, batch {BATCH}, {device}")
    state = {name: tensor.to(device) for name, tensor in state.items()}
    grouped = Drawing(
        shape.styles,
        lambda z: grouped_stylegan2.map_latents(state, z),
        lambda w: grouped_stylegan2.draw(state, w),
    )
    planar, ours = (_network(shape, weights, last).to(device) for last in (False, True))
    score, dtypes = _score(device), (torch.float32, torch.bfloat16)
    plain = Drawing(shape.styles, planar.to_w, planar.draw)
    fast = Drawing(shape.styles, ours.to_w, ours.draw)
    return {
        "grouped": _step(grouped, score, dtypes[0], device),
        "ours, float32, channels first": _step(plain, score, dtypes[0], device),
        "ours, float32, channels last": _step(fast, score, dtypes[0], device),
        "ours, bfloat16, channels last": _step(fast, score, dtypes[1], device),
    }


def random_generator(device: torch.device) -> Drawing:
    """Our generator with random weights."""
    state = grouped_stylegan2.random_state(CHANNELS, Z_SIZE, W_SIZE, MAPPING_LAYERS)
    shape, weights = from_official(state, "random weights")
    network = _network(shape, weights, True).to(device)
    return Drawing(shape.styles, network.to_w, network.draw)


def _seconds(step: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    step()
    return clock() - start


def _network(shape: Shape, weights: dict[str, Tensor], channels_last: bool) -> StyleGAN2:
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    if not channels_last:
        for part in (network, *network.convolutions):
            part.memory_format = torch.contiguous_format
        network.to(memory_format=torch.contiguous_format)
    return network.eval().requires_grad_(False)


def _score(device: torch.device) -> Maximized:
    card = BackboneCard(architecture="iresnet_demo", embedding_size=128, preprocessing=Preprocessing(image_size=64))
    backbone = Backbone(build(card), card).eval().requires_grad_(False).to(device)
    reader = registry.get_reader("bn_distance")
    return lambda faces, _: reader.read(backbone, faces).sum(1)


def _step(prior: Drawing, score: Maximized, dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    latents, noise = torch.randn(2, BATCH, Z_SIZE, generator=torch.Generator().manual_seed(1)).to(device)

    def step() -> None:
        gradient(prior, score, latents, noise, 0.3, dtype)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    sys.exit(0 if run() else 1)
