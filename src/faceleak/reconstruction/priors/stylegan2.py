"""StyleGAN2 and StyleGAN2-ADA as priors, searched in z, w or w+.

In w and w+ coordinates are whitened, so that a step of the search is as long as in z. A latent u stands for
w = w_mean + A·u, where A·Aᵀ is the second moment of w − w_mean over random faces: u = 0 is the mean face, and the
coordinates of random faces have a standard deviation of 1.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from faceleak.reconstruction.latents import LatentSpace, Sphere, vary
from faceleak.reconstruction.priors.options import StyleGAN2Options
from faceleak.reconstruction.priors.stylegan2_file import load_stylegan2
from faceleak.reconstruction.priors.stylegan2_network import StyleGAN2
from faceleak.work.compute import single_threaded

SAMPLES, SEED = 10_000, 0
SMALLEST_VARIANCE = 1e-6  # of an axis, in relation to the largest


@dataclass(frozen=True)
class Whitening:
    """axes (w_size, w_size): the matrix A. inverse: its inverse."""

    mean: Tensor
    axes: Tensor
    inverse: Tensor

    def to_w(self, latents: Tensor) -> Tensor:
        """Latents u (…, w_size) → w (…, w_size)."""
        return self.mean + latents @ self.axes.T

    def from_w(self, w: Tensor) -> Tensor:
        """w (…, w_size) → latents u (…, w_size)."""
        return (w - self.mean) @ self.inverse.T

    def on(self, device: torch.device) -> "Whitening":
        """The same on another device."""
        return Whitening(self.mean.to(device), self.axes.to(device), self.inverse.to(device))


def measure_whitening(network: StyleGAN2) -> Whitening:
    """Measure how w spreads around the network's w_mean; on the CPU, the same for the same weights."""
    z = torch.randn(SAMPLES, network.shape.z_size, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad(), single_threaded():
        deviations = (network.to_w(z) - network.w_mean).double()
        variances, directions = torch.linalg.eigh(deviations.T @ deviations / SAMPLES)
        spread = variances.clamp(min=SMALLEST_VARIANCE * float(variances[-1])).sqrt()
        axes, inverse = directions * spread, (directions / spread).T
    return Whitening(network.w_mean.clone(), axes.float().contiguous(), inverse.float().contiguous())


@dataclass(frozen=True)
class StyleSpace:
    """Latents (n, copies·w_size): a whitened w for each of `copies` layers; one copy is the space w, shared by all.

    network: on the CPU, for drawing.
    """

    network: StyleGAN2
    whitening: Whitening
    copies: int

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """The w of random z, the same for all layers."""
        z = torch.randn(count, self.network.shape.z_size, generator=generator)
        with torch.no_grad():
            latents = self.whitening.from_w(self.network.to_w(z))
        return self.project(latents.repeat(1, self.copies))

    def project(self, latents: Tensor) -> Tensor:
        """Pull each layer's u that is farther from the mean face than ‖u‖² = w_size, the average, back to there."""
        layers = latents.view(len(latents), self.copies, -1)
        radius = math.sqrt(layers.shape[-1])
        shortened: Tensor = layers * (radius / layers.norm(dim=-1, keepdim=True).clamp(min=radius))
        return shortened.flatten(1)

    def vary(self, latents: Tensor, noise: Tensor, variation: float) -> Tensor:
        """As in z, by a noise that is the same for all layers: other images of a w+ differ as those of a w do."""
        shared = noise.view(len(noise), self.copies, -1).sum(1) / math.sqrt(self.copies)
        return vary(latents, shared.repeat(1, self.copies), variation)


NOISE_SEED = 0


class StyleGAN2Prior:
    """A converted checkpoint as a prior. Raises PriorError where its file is not one or not the pinned one."""

    latent_size: int
    space: LatentSpace

    def __init__(self, options: StyleGAN2Options, device: torch.device) -> None:
        network = load_stylegan2(options.weights, options.sha256)
        shape = network.shape
        self._options, self._styles = options, shape.styles
        self._noise = torch.Generator().manual_seed(NOISE_SEED)
        if options.latent_space == "z":
            self.latent_size = shape.z_size
            self.space, self._whitening = Sphere(shape.z_size), None
        else:
            copies = 1 if options.latent_space == "w" else shape.styles
            whitening = measure_whitening(network)
            self.latent_size = copies * shape.w_size
            self.space, self._whitening = StyleSpace(network, whitening, copies), whitening.on(device)
        self._network: StyleGAN2 = network if device.type == "cpu" else copy.deepcopy(network).to(device)

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, resolution, resolution)."""
        images = self._network.draw(self._to_w(latents), self._options.noise, self._noise)
        return ((images + 1) / 2).clamp(0, 1)

    def _to_w(self, latents: Tensor) -> Tensor:
        """Latents → truncated w (n, styles, w_size)."""
        mean, truncation = self._network.w_mean, self._options.truncation
        if self._whitening is None:
            w = self._network.to_w(latents)[:, None]
        else:
            with torch.autocast(latents.device.type, enabled=False):
                w = self._whitening.to_w(latents.view(len(latents), -1, len(mean)))
        return (mean + truncation * (w - mean)).expand(-1, self._styles, -1)
