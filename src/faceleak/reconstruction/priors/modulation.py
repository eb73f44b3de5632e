"""StyleGAN2's modulated layers (arXiv 1912.04958, section 2.2), by modulating activations instead of weights.

A style s scales the input channels of a convolution and d = 1 / √(Σ (s·w)² + ε) its output channels. Both are numbers
for each image and channel, so they can scale what goes in and what comes out: conv(x; d·w·s) = d·conv(s·x; w). One
plain convolution then serves the whole batch, where scaled weights need a convolution of their own for each image.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceleak.reconstruction.priors.resampling import low_pass, smooth

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
