"""The generator of StyleGAN2 (arXiv 1912.04958, configuration F) and StyleGAN2-ADA (arXiv 2006.06676), for inference.

Written from the papers, for weights whose runtime gains (equalized learning rate) are already multiplied in; see
`stylegan2_file`. Skip architecture: each resolution adds its own RGB image to the enlarged one of the resolution below.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from faceleak.common.options import Options
from faceleak.reconstruction.priors.modulation import EPSILON, GAIN, SLOPE, StyledConvolution, ToRGB
from faceleak.reconstruction.priors.options import Noise
from faceleak.reconstruction.priors.resampling import enlarge, low_pass

Size = Annotated[int, Field(ge=1, le=65536)]


class Shape(Options):
    """Sizes of a generator. channels: of each resolution, from 4 to `resolution`, doubling. clamp: see `modulation`."""

    resolution: int = Field(ge=8, le=4096)
    z_size: Size
    w_size: Size
    mapping_layers: int = Field(ge=1, le=64)
    channels: tuple[Size, ...]
    clamp: float | None = Field(None, gt=0)

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
