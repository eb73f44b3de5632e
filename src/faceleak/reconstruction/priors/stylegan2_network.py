"""The generator of StyleGAN2 (arXiv 1912.04958, configuration F) and StyleGAN2-ADA (arXiv 2006.06676), for inference.

Written from the papers, for weights whose runtime gains (equalized learning rate) are already multiplied in; see
`stylegan2_file`. Skip architecture: each resolution adds its own RGB image to the enlarged one of the resolution below.
Low-pass filtering after and for doubling the resolution is by [1, 3, 3, 1], separable.

Layers are modulated (section 2.2) by activations instead of weights. A style s scales the input channels of a
convolution and d = 1 / √(Σ (s·w)² + ε) its output channels. Both are numbers for each image and channel, so they can
scale what goes in and what comes out: conv(x; d·w·s) = d·conv(s·x; w). One plain convolution then serves the whole
batch, where scaled weights need a convolution of their own for each image.
"""

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from faceleak.common.options import Options
from faceleak.reconstruction.priors.options import Noise

TAPS = (1.0, 3.0, 3.0, 1.0)


def low_pass() -> Tensor:
    """The filter (1, 1, 4, 4). Its sum is 4: doubling the resolution spreads a pixel over four."""
    taps = torch.tensor(TAPS)
    return (torch.outer(taps, taps) * 4 / taps.sum() ** 2).view(1, 1, 4, 4)


def smooth(maps: Tensor, kernel: Tensor) -> Tensor:
    """Filter what a transposed convolution of stride 2 gives: (n, c, h, w) → (n, c, h − 1, w − 1)."""
    channels = maps.shape[1]
    return functional.conv2d(maps, kernel.expand(channels, 1, 4, 4), padding=1, groups=channels)


def enlarge(images: Tensor, kernel: Tensor) -> Tensor:
    """Images (n, c, h, w) → (n, c, 2h, 2w): zeros between the pixels, then the filter."""
    channels = images.shape[1]
    return functional.conv_transpose2d(images, kernel.expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)


SLOPE, GAIN, EPSILON = 0.2, math.sqrt(2), 1e-8


class StyledConvolution(nn.Module):
    """A 3×3 convolution with style, noise, bias and leaky ReLU; `upsample` doubles the resolution first.

    weight: (outputs, inputs, 3, 3), or (inputs, outputs, 3, 3) where a transposed convolution takes it (`upsample`).
    clamp: largest absolute activation, as in checkpoints that were trained in 16 bit; None for no limit.
    """

    memory_format = torch.channels_last
    noise: Tensor
    kernel: Tensor

    def __init__(
        self, inputs: int, outputs: int, resolution: int, w_size: int, upsample: bool, clamp: float | None
    ) -> None:
        super().__init__()
        self.upsample, self.clamp = upsample, clamp
        self.style = nn.Linear(w_size, inputs)
        self.weight = nn.Parameter(torch.randn(*((inputs, outputs) if upsample else (outputs, inputs)), 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(resolution, resolution))
        self.register_buffer("kernel", low_pass(), persistent=False)

    def forward(self, maps: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Maps (n, inputs, h, w) and w (n, w_size) → (n, outputs, h, w). noise: (1 or n, 1, h, w), or None for none."""
        style, demodulation = self._scales(w)
        maps = self._convolve(maps * _per_channel(style, maps.dtype))
        shift = self.bias.view(1, -1, 1, 1)
        if noise is not None:
            shift = shift + self.noise_strength * noise
        shift = (GAIN * shift).to(maps.dtype).contiguous(memory_format=self.memory_format)
        maps = torch.addcmul(shift, maps, _per_channel(GAIN * demodulation, maps.dtype))
        maps = functional.leaky_relu(maps, SLOPE)  # √2·lrelu(x) = lrelu(√2·x)
        return maps if self.clamp is None else maps.clamp(-self.clamp, self.clamp)

    def _scales(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Style (n, inputs) and demodulation (n, outputs), never in 16 bit."""
        with torch.autocast(w.device.type, enabled=False):
            style: Tensor = self.style(w.to(self.weight.dtype))
            squares = self.weight.square().sum((2, 3))
            energy = style.square() @ (squares if self.upsample else squares.T)
            return style, (energy + EPSILON).rsqrt()

    def _convolve(self, maps: Tensor) -> Tensor:
        if self.upsample:
            return smooth(functional.conv_transpose2d(maps, self.weight, stride=2), self.kernel)
        return functional.conv2d(maps, self.weight, padding=1)


class ToRGB(nn.Module):
    """A 1×1 convolution to RGB with style, without demodulation and noise."""

    def __init__(self, inputs: int, w_size: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.style = nn.Linear(w_size, inputs)
        self.weight = nn.Parameter(torch.randn(3, inputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) and w (n, w_size) → (n, 3, h, w). Here the weights of an image are three rows."""
        with torch.autocast(w.device.type, enabled=False):
            style: Tensor = self.style(w.to(self.weight.dtype))
            weights = (self.weight * style[:, None]).to(maps.dtype)  # (n, 3, inputs)
        pixels = maps.permute(0, 2, 3, 1).flatten(1, 2) @ weights.mT  # (n, h·w, 3)
        pixels = pixels.to(self.bias.dtype) + self.bias
        if self.clamp is not None:
            pixels = pixels.clamp(-self.clamp, self.clamp)
        return pixels.view(len(maps), *maps.shape[2:], 3).permute(0, 3, 1, 2)


def _per_channel(scales: Tensor, dtype: torch.dtype) -> Tensor:
    return scales.to(dtype)[:, :, None, None]


Size = Annotated[int, Field(ge=1, le=65536)]


class Shape(Options):
    """Sizes of a generator."""

    resolution: int = Field(ge=8, le=4096)
    """Side of an image in pixels."""
    z_size: Size
    """Numbers in a latent z."""
    w_size: Size
    """Numbers in a w."""
    mapping_layers: int = Field(ge=1, le=64)
    """Layers of the mapping network."""
    channels: tuple[Size, ...]
    """Channels of each resolution, from 4 to `resolution`, doubling."""
    clamp: float | None = Field(None, gt=0)
    """See `StyledConvolution`."""

    @field_validator("channels")
    @classmethod
    def _one_for_each_resolution(cls, channels: tuple[int, ...], info: object) -> tuple[int, ...]:
        resolution = getattr(info, "data", {}).get("resolution")
        if resolution is not None and resolution != 2 << len(channels):
            raise ValueError(f"{len(channels)} sizes of channels make {2 << len(channels)} pixels, not {resolution}")
        return channels

    @property
    def styles(self) -> int:
        """How many w vectors an image takes, one a layer: the last dimension but one of w+."""
        return 2 * len(self.channels)


class StyleGAN2(nn.Module):
    """z → w (`to_w`), and a w for each layer → images (`draw`). Channels last in memory."""

    memory_format = torch.channels_last
    w_mean: Tensor
    kernel: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        w, channels = shape.w_size, shape.channels
        sizes = [shape.z_size] + [w] * shape.mapping_layers
        self.mapping = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        self.constant = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.convolutions = nn.ModuleList([StyledConvolution(channels[0], channels[0], 4, w, False, shape.clamp)])
        for level, (inputs, outputs) in enumerate(pairwise(channels), 1):
            resolution = 4 << level
            self.convolutions.append(StyledConvolution(inputs, outputs, resolution, w, True, shape.clamp))
            self.convolutions.append(StyledConvolution(outputs, outputs, resolution, w, False, shape.clamp))
        self.to_rgb = nn.ModuleList(ToRGB(inputs, w, shape.clamp) for inputs in channels)
        self.register_buffer("w_mean", torch.zeros(w))
        self.register_buffer("kernel", low_pass(), persistent=False)
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]

    def to_w(self, z: Tensor) -> Tensor:
        """z (n, z_size), standard normal → w (n, w_size), without truncation, never in 16 bit."""
        with torch.autocast(z.device.type, enabled=False):
            w = z.to(self.w_mean.dtype)
            w = w * (w.square().mean(1, keepdim=True) + EPSILON).rsqrt()
            for layer in self.mapping:
                w = functional.leaky_relu(layer(w), SLOPE) * GAIN
        return w

    def draw(self, w: Tensor, noise: Noise = "constant", generator: torch.Generator | None = None) -> Tensor:
        """w (n, styles, w_size) → images (n, 3, resolution, resolution), RGB, mostly in −1…1.

        noise: `constant` adds the maps that came with the weights, so that the same w gives the same image; `random`
        draws them from `generator` (on the CPU), for each image anew; `none` adds nothing.
        """
        maps = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=self.memory_format)
        images: Tensor | None = None
        for number, convolution in enumerate(self.convolutions):
            maps = convolution(maps, w[:, number], _noise(convolution, noise, len(w), generator))
            if number % 2 == 0:
                rgb = self.to_rgb[number // 2](maps, w[:, number + 1])
                images = rgb if images is None else rgb + self._enlarged(images)
        assert images is not None
        return images

    def _enlarged(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            return enlarge(images, self.kernel)


def _noise(layer: nn.Module, mode: Noise, count: int, generator: torch.Generator | None) -> Tensor | None:
    if mode == "none":
        return None
    constant = layer.noise
    assert isinstance(constant, Tensor)
    if mode == "constant":
        return constant[None, None]
    return torch.randn(count, 1, *constant.shape, generator=generator).to(constant)
