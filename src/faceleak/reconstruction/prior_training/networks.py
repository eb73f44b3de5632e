"""FastGAN's two networks (arXiv 2101.04775), and the parts that they share.

The generator (section 3.1) is without its noise: one latent always shows the same face. The discriminator (section 3.2)
also has to remember what it has seen: two decoders draw the image anew from its features, so that these describe all of
it and not only what gives a generated one away; that is what keeps it from overfitting on few images. Ours: L1 instead
of a perceptual distance, which would need weights from elsewhere.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
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


EXCITED_FROM = 64  # pixels; features of this resolution and above are excited by those of a sixteenth of it


class FaceGenerator(nn.Module):
    """Latents (n, latent_size), standard normal → images (n, 3, size, size), RGB in −1…1.

    size: a power of two from 64 to 256; width: channels at 64 pixels.
    """

    def __init__(self, size: int, latent_size: int, width: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        smallest = channels(SMALLEST, width)
        self.first = nn.Sequential(
            nn.ConvTranspose2d(latent_size, 2 * smallest, SMALLEST, bias=False),
            nn.BatchNorm2d(2 * smallest),
            nn.GLU(dim=1),
        )
        self.resolutions = [SMALLEST << step for step in range(1, (size // SMALLEST).bit_length())]
        self.blocks = nn.ModuleList(
            upsampling(channels(resolution // 2, width), channels(resolution, width)) for resolution in self.resolutions
        )
        self.excitations = nn.ModuleDict(
            {
                str(resolution): Excitation(channels(resolution // 16, width), channels(resolution, width))
                for resolution in self.resolutions
                if resolution >= EXCITED_FROM
            }
        )
        self.to_rgb = nn.Conv2d(channels(size, width), 3, 3, padding=1)
        initialize(self)

    def forward(self, latents: Tensor) -> Tensor:
        features = self.first(latents[:, :, None, None])  # (n, c, 4, 4)
        seen = {SMALLEST: features}
        for resolution, block in zip(self.resolutions, self.blocks, strict=True):
            features = block(features)  # (n, c, resolution, resolution)
            if resolution >= EXCITED_FROM:
                features = self.excitations[str(resolution)](seen[resolution // 16], features)
            seen[resolution] = features
        return torch.tanh(self.to_rgb(features))


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
