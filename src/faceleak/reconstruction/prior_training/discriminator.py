"""FastGAN's discriminator (arXiv 2101.04775, section 3.2): it also has to remember what it has seen.

Two decoders draw the image anew from its features, so that these describe all of it and not only what gives a
generated one away; that is what keeps it from overfitting on few images. Ours: L1 instead of a perceptual distance,
which would need weights from elsewhere.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceleak.reconstruction.prior_training.layers import (
    SLOPE,
    Excitation,
    channels,
    initialize,
    normalized,
    upsampling,
)

FINE, MIDDLE, COARSE = 32, 16, 8  # resolutions of the features
DECODED = 32  # pixels on a side of what the decoders draw


class Discriminator(nn.Module):
    """Images (n, 3, size, size), RGB in −1…1 → logits (n, 1, 5, 5) of patches, higher for real ones."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        fine, middle, coarse = (channels(resolution, width) for resolution in (FINE, MIDDLE, COARSE))
        self.stem = nn.Sequential(*_stem(size, width))
        self.middle, self.coarse = Halving(fine, middle), Halving(middle, coarse)
        self.excitation = Excitation(fine, coarse)
        self.logits = nn.Sequential(
            normalized(nn.Conv2d(coarse, coarse, 1, bias=False)),
            nn.BatchNorm2d(coarse),
            nn.LeakyReLU(SLOPE),
            normalized(nn.Conv2d(coarse, 1, 4)),
        )
        self.whole, self.part = _decoder(coarse, width), _decoder(middle, width)
        initialize(self)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, c, 16, 16) and (n, c, 8, 8)."""
        fine = self.stem(images)
        middle = self.middle(fine)
        return middle, self.excitation(fine, self.coarse(middle))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.logits(self.features(images)[1])
        return logits

    def remember(self, images: Tensor, quarter: int) -> tuple[Tensor, Tensor]:
        """Logits as `forward`, and how far images drawn from the features are from the images (a scalar, L1).

        One decoder draws the whole image, the other a `quarter` (0…3, row by row) from the features of that place.
        """
        middle, coarse = self.features(images)
        smaller = functional.interpolate(images, (DECODED, DECODED), mode="area")
        part = functional.interpolate(_quarter(images, quarter), (DECODED, DECODED), mode="area")
        distance = (self.whole(coarse) - smaller).abs().mean()
        distance = distance + (self.part(_quarter(middle, quarter)) - part).abs().mean()
        return self.logits(coarse), distance


class Halving(nn.Module):
    """Features (n, inputs, r, r) → (n, outputs, r/2, r/2): the mean of a convolved and a pooled path."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolved = nn.Sequential(
            normalized(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
            normalized(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
        )
        self.pooled = nn.Sequential(
            nn.AvgPool2d(2),
            normalized(nn.Conv2d(inputs, outputs, 1, bias=False)),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, features: Tensor) -> Tensor:
        halved: Tensor = (self.convolved(features) + self.pooled(features)) / 2
        return halved


def _stem(size: int, width: int) -> list[nn.Module]:
    """Images → features of resolution 32, by halving once for 64 pixels and up to three times for 256."""
    resolutions = [FINE << step for step in range((size // FINE).bit_length() - 2, -1, -1)]
    layers: list[nn.Module] = []
    inputs = 3
    for resolution in resolutions:
        outputs = channels(resolution, width)
        layers.append(normalized(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)))
        if inputs != 3:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.LeakyReLU(SLOPE))
        inputs = outputs
    return layers


def _decoder(inputs: int, width: int) -> nn.Sequential:
    """Features (n, inputs, 8, 8) → images (n, 3, 32, 32)."""
    return nn.Sequential(
        upsampling(inputs, 2 * width),
        upsampling(2 * width, width),
        nn.Conv2d(width, 3, 3, padding=1),
        nn.Tanh(),
    )


def _quarter(images: Tensor, number: int) -> Tensor:
    """The quarter `number` of images (n, c, 2r, 2r), row by row: (n, c, r, r)."""
    rows = torch.chunk(images, 2, dim=2)[number // 2]
    return torch.chunk(rows, 2, dim=3)[number % 2]
