"""The demo's prior: a DCGAN for 64×64 faces of fictitious people."""

import torch
from torch import Tensor

from faceleak.reconstruction.latents import Sphere


class DemoPrior:
    """The generator that also drew the demo people: the prior knows the distribution, not who was trained on."""

    def __init__(self, device: torch.device) -> None:
        from faceleak.faces.demo_generator import LATENT_SIZE, load_demo_generator

        self.latent_size = LATENT_SIZE
        self.space = Sphere(LATENT_SIZE)
        self._generator = load_demo_generator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, 100) → faces (n, 3, 64, 64)."""
        images: Tensor = self._generator(latents)
        return (images + 1) / 2
