"""Latents as people: where they lie, and which latents show the same person again."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def draw_latents(size: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw latents (count, size), uniform on the sphere of `onto_sphere`, on the CPU."""
    return onto_sphere(torch.randn(count, size, generator=generator))


def onto_sphere(latents: Tensor) -> Tensor:
    """Scale latents (n, size) to ‖z‖² = size, where nearly all the mass of a standard normal lies (1609.04468)."""
    return functional.normalize(latents, dim=1) * math.sqrt(latents.shape[1])


def vary(latents: Tensor, noise: Tensor, variation: float) -> Tensor:
    """Other images of the same people: √(1 − variation²)·z + variation·ε, with standard normal `noise` ε (n, size).

    `variation` in 0…1: 0 keeps the image, 1 gives anybody's.
    """
    return math.sqrt(1 - variation**2) * latents + variation * noise
