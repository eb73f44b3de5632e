"""State dicts of rosinality/stylegan2-pytorch, which many trained generators are published as."""

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceleak.backbones.checkpoint import read_content
from faceleak.reconstruction.priors.errors import PriorError
from faceleak.reconstruction.priors.official import from_official
from faceleak.reconstruction.priors.stylegan2_network import Shape, StyleGAN2

SAMPLES, SEED = 10_000, 0


def read_rosinality(path: Path) -> tuple[Shape, dict[str, Tensor]]:
    """Read `g_ema` and `latent_avg`, the mean of w; where that was not stored, it is measured on random latents.

    Raises PriorError, and BackboneError where the file is no checkpoint.
    """
    with torch.serialization.safe_globals([Namespace]):  # its training stores its arguments beside the weights
        content = read_content(path)
    generator: Any = content.get("g_ema", content) if isinstance(content, dict) else None
    if not _is_state_dict(generator):
        raise PriorError(f"{path} holds no state dict `g_ema` of rosinality/stylegan2-pytorch.")
    mean = content.get("latent_avg")
    try:
        weights = dict(_official_names(generator))
    except (KeyError, ValueError, AttributeError, RuntimeError) as error:
        raise PriorError(
            f"{path} has other names or sizes than a generator of rosinality/stylegan2-pytorch "
            f"({type(error).__name__}: {error})."
        ) from error
    weights["mapping.w_avg"] = mean.flatten() if isinstance(mean, Tensor) else torch.zeros(len(weights[LAST]))
    shape, renamed = from_official(weights, str(path))
    if not isinstance(mean, Tensor):
        renamed["w_mean"] = _measured_mean(shape, renamed, path)
    return shape, renamed


LAST = "mapping.fc0.bias"


def _official_names(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Rosinality's names → official ones. There the weights of convolutions have a runtime gain, here they have not."""
    layers = sum(name.startswith("style.") and name.endswith(".weight") for name in state)
    for number in range(layers):
        yield f"mapping.fc{number}.weight", state[f"style.{number + 1}.weight"]
        yield f"mapping.fc{number}.bias", state[f"style.{number + 1}.bias"]
    yield "synthesis.b4.const", state["input.input"][0]
    levels = 1 + sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in state)
    for level in range(levels):
        block = f"synthesis.b{4 << level}"
        if level:
            yield from _convolution(state, f"convs.{2 * level - 2}", 2 * level - 1, f"{block}.conv0")
        yield from _convolution(state, f"convs.{2 * level - 1}" if level else "conv1", 2 * level, f"{block}.conv1")
        rgb = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        yield f"{block}.torgb.weight", state[f"{rgb}.conv.weight"][0]
        yield f"{block}.torgb.bias", state[f"{rgb}.bias"].flatten()
        yield from _style(state, rgb, f"{block}.torgb")
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            yield f"{name}.resample_filter", tensor


def _convolution(state: Mapping[str, Tensor], theirs: str, number: int, official: str) -> Iterator[tuple[str, Tensor]]:
    weight = state[f"{theirs}.conv.weight"][0]
    yield f"{official}.weight", weight / math.sqrt(weight[0].numel())
    yield f"{official}.bias", state[f"{theirs}.activate.bias"]
    yield f"{official}.noise_strength", state[f"{theirs}.noise.weight"].reshape(())
    yield f"{official}.noise_const", state[f"noises.noise_{number}"][0, 0]
    yield from _style(state, theirs, official)


def _style(state: Mapping[str, Tensor], theirs: str, official: str) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias"):
        yield f"{official}.affine.{part}", state[f"{theirs}.conv.modulation.{part}"]


def _measured_mean(shape: Shape, weights: Mapping[str, Tensor], path: Path) -> Tensor:
    from faceleak.reconstruction.priors.stylegan2_file import check_weights

    check_weights(shape, weights, str(path))
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    z = torch.randn(SAMPLES, shape.z_size, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        return network.to_w(z).mean(0)


def _is_state_dict(content: Any) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(value, Tensor) for value in content.values())
