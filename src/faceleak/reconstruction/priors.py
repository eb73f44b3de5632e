"""Priors: pretrained generators of faces, seen as latents in, faces out."""

from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from faceleak.errors import FaceleakError


class Prior(Protocol):
    """A generator. Its latents were standard normal when it was trained."""

    latent_size: int

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, height, width), RGB in 0…1, differentiable."""
        ...


class DemoPrior:
    """The generator that also drew the demo people: the prior knows the distribution, not who was trained on."""

    def __init__(self, device: torch.device) -> None:
        from faceleak.faces.demo_generator import LATENT_SIZE, load_demo_generator

        self.latent_size = LATENT_SIZE
        self._generator = load_demo_generator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, 100) → faces (n, 3, 64, 64)."""
        images: Tensor = self._generator(latents)
        return (images + 1) / 2


class UnknownPriorError(FaceleakError):
    """No prior has this name."""


def load_prior(name: Literal["demo"] | Path, device: torch.device) -> Prior:
    """Load a prior by name, or one that was trained here from its folder."""
    if isinstance(name, Path):
        from faceleak.reconstruction.prior_training.trained import load_trained_prior

        return load_trained_prior(name, device)
    if name != "demo":
        raise UnknownPriorError(f"There is no prior {name!r}. Known: demo.")
    return DemoPrior(device)
