"""Low-pass filtering by [1, 3, 3, 1], separable, as StyleGAN2 does it after and for doubling the resolution."""

import torch
from torch import Tensor
from torch.nn import functional

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
