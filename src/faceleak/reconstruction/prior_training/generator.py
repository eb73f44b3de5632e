"""FastGAN's generator (arXiv 2101.04775, section 3.1), without its noise: one latent always shows the same face."""

import torch
from torch import Tensor, nn

from faceleak.reconstruction.prior_training.layers import SMALLEST, Excitation, channels, initialize, upsampling

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
