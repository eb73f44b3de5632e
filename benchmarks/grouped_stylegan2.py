"""StyleGAN2 the plain way, to compare with: every image has convolution weights of its own, in one grouped convolution.

Written from arXiv 1912.04958 and 2006.06676 on its own, as functions of a state dict with the names of StyleGAN2-ADA's
PyTorch checkpoints, with their runtime gains: as slow and as literal as the equations.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
RATE = 0.01


def random_state(channels: tuple[int, ...], z_size: int, w_size: int, mapping_layers: int, seed: int = 0) -> State:
    """Random weights under official names. channels: of each resolution from 4 on. Noise and biases are not zero."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    def styled(name: str, inputs: int, outputs: int, side: int) -> State:
        weights = {"weight": normal(outputs, inputs, side, side), "bias": 0.1 * normal(outputs)}
        style = {"affine.weight": normal(inputs, w_size), "affine.bias": 1 + 0.1 * normal(inputs)}
        return {f"{name}.{key}": tensor for key, tensor in (weights | style).items()}

    state = {"mapping.w_avg": 0.1 * normal(w_size), "synthesis.b4.const": normal(channels[0], 4, 4)}
    for layer in range(mapping_layers):
        state[f"mapping.fc{layer}.weight"] = normal(w_size, w_size if layer else z_size) / RATE
        state[f"mapping.fc{layer}.bias"] = normal(w_size)
    for level, outputs in enumerate(channels):
        block, resolution = f"synthesis.b{4 << level}", 4 << level
        state[f"{block}.resample_filter"] = low_pass()
        for name, inputs in (("conv0", channels[level - 1]), ("conv1", outputs)):
            if level or name == "conv1":
                state |= styled(f"{block}.{name}", inputs, outputs, 3)
                state[f"{block}.{name}.noise_const"] = normal(resolution, resolution)
                state[f"{block}.{name}.noise_strength"] = 0.1 * normal()
                state[f"{block}.{name}.resample_filter"] = low_pass()
        state |= styled(f"{block}.torgb", outputs, 3, 1)
    return state


def map_latents(state: State, z: Tensor, rate: float = RATE) -> Tensor:
    """z (n, z_size) → w (n, w_size)."""
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    layer = 0
    while f"mapping.fc{layer}.weight" in state:
        w = _linear(state, f"mapping.fc{layer}", w, rate)
        w = math.sqrt(2) * functional.leaky_relu(w, 0.2)
        layer += 1
    return w


def draw(state: State, w: Tensor, noise: bool = True, clamp: float | None = None) -> Tensor:
    """w (n, styles, w_size) → images (n, 3, resolution, resolution)."""
    maps = state["synthesis.b4.const"].expand(len(w), -1, -1, -1)
    maps = _layer(state, "synthesis.b4.conv1", maps, w[:, 0], noise, clamp)
    images = _to_rgb(state, "synthesis.b4.torgb", maps, w[:, 1], clamp)
    resolution, style = 8, 1
    while f"synthesis.b{resolution}.conv0.weight" in state:
        block = f"synthesis.b{resolution}"
        maps = _layer(state, f"{block}.conv0", maps, w[:, style], noise, clamp, upsample=True)
        maps = _layer(state, f"{block}.conv1", maps, w[:, style + 1], noise, clamp)
        images = filtered(images, up=2, padding=(2, 1)) + _to_rgb(state, f"{block}.torgb", maps, w[:, style + 2], clamp)
        resolution, style = 2 * resolution, style + 2
    return images


def low_pass() -> Tensor:
    """[1, 3, 3, 1] in both directions, its sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return taps[:, None] * taps / 64


def filtered(images: Tensor, up: int, padding: tuple[int, int]) -> Tensor:
    """Put up − 1 zeros behind each pixel, pad, and convolve with the low-pass filter times 4."""
    n, channels, height, width = images.shape
    spread = images
    if up > 1:
        spread = images.new_zeros(n, channels, height * up, width * up)
        spread[:, :, ::up, ::up] = images
    spread = functional.pad(spread, (*padding, *padding))
    kernel = 4 * low_pass().to(images).flip(0, 1)
    return functional.conv2d(spread, kernel.expand(channels, 1, 4, 4), groups=channels)


def _layer(
    state: State, name: str, maps: Tensor, w: Tensor, noise: bool, clamp: float | None, upsample: bool = False
) -> Tensor:
    style = _linear(state, f"{name}.affine", w)
    weights = state[f"{name}.weight"][None] * style[:, None, :, None, None]
    weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    maps = _grouped(maps, weights, upsample)
    if noise:
        maps = maps + state[f"{name}.noise_strength"] * state[f"{name}.noise_const"]
    maps = maps + state[f"{name}.bias"][:, None, None]
    maps = math.sqrt(2) * functional.leaky_relu(maps, 0.2)
    return maps if clamp is None else maps.clamp(-clamp, clamp)


def _grouped(maps: Tensor, weights: Tensor, upsample: bool) -> Tensor:
    """maps (n, inputs, h, w), weights (n, outputs, inputs, k, k) → (n, outputs, h or 2h, w or 2w)."""
    n, outputs, inputs, side, _ = weights.shape
    together = maps.reshape(1, n * inputs, *maps.shape[2:])
    if upsample:
        transposed = weights.transpose(1, 2).reshape(n * inputs, outputs, side, side)
        maps = functional.conv_transpose2d(together, transposed, stride=2, groups=n)
        return filtered(maps.unflatten(1, (n, outputs))[0], up=1, padding=(1, 1))
    maps = functional.conv2d(together, weights.flatten(0, 1), padding=side // 2, groups=n)
    return maps.unflatten(1, (n, outputs))[0]


def _to_rgb(state: State, name: str, maps: Tensor, w: Tensor, clamp: float | None) -> Tensor:
    style = _linear(state, f"{name}.affine", w) / math.sqrt(maps.shape[1])
    rgb = _grouped(maps, state[f"{name}.weight"][None] * style[:, None, :, None, None], upsample=False)
    rgb = rgb + state[f"{name}.bias"][:, None, None]
    return rgb if clamp is None else rgb.clamp(-clamp, clamp)


def _linear(state: State, name: str, inputs: Tensor, rate: float = 1.0) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return inputs @ weight.T * (rate / math.sqrt(weight.shape[1])) + rate * bias
