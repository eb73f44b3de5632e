"""StyleGAN2 and StyleGAN2-ADA as priors, searched in z, w or w+."""

import copy

import torch
from torch import Tensor

from faceleak.reconstruction.latents import LatentSpace, Sphere
from faceleak.reconstruction.priors.options import StyleGAN2Options
from faceleak.reconstruction.priors.stylegan2_file import load_stylegan2
from faceleak.reconstruction.priors.stylegan2_network import StyleGAN2
from faceleak.reconstruction.priors.w_spaces import StyleSpace, measure_whitening

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
