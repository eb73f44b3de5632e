"""Parts of FastGAN that generator and discriminator share."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SMALLEST = 4  # pixels on a side, where the generator begins
SLOPE = 0.2


def channels(resolution: int, width: int) -> int:
    """Channels of features of this resolution: `width` at 64 pixels, twice as many at half of it, at least 8."""
    return max(8, width * 64 // resolution)


def normalized(layer: nn.Module) -> nn.Module:
    """The layer under spectral normalization (arXiv 1802.05957): it stretches no direction by more than 1."""
    spectral: nn.Module = spectral_norm(layer)
    return spectral


class Excitation(nn.Module):
    """Skip-layer excitation, eq. 1 of 2101.04775: coarse features weigh the channels of fine ones.

    coarse (n, coarse_channels, r, r) and fine (n, fine_channels, any, any) → fine, each channel times 0…1.
    """

    def __init__(self, coarse_channels: int, fine_channels: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(SMALLEST),
            nn.Conv2d(coarse_channels, fine_channels, SMALLEST),
            nn.SiLU(),
            nn.Conv2d(fine_channels, fine_channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        excited: Tensor = fine * self.weights(coarse)
        return excited


def upsampling(inputs: int, outputs: int) -> nn.Sequential:
    """Features (n, inputs, r, r) → (n, outputs, 2r, 2r), through a gated linear unit."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * outputs),
        nn.GLU(dim=1),
    )


def initialize(network: nn.Module) -> None:
    """Draw weights as DCGAN does (arXiv 1511.06434): convolutions from N(0, 0.02²), scales of BN from N(1, 0.02²)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            with torch.no_grad():
                _raw_weight(module).normal_(0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)


def _raw_weight(module: nn.Module) -> Tensor:
    """The weight itself, also where spectral normalization stands before it."""
    raw = dict(module.named_parameters())
    return raw.get("parametrizations.weight.original", raw.get("weight"))  # type: ignore[return-value]
