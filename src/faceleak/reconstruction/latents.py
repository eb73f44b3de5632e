"""Latents as people: where they lie, and which latents show the same person again."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class LatentSpace(Protocol):
    """Latents (n, size) whose coordinates have a standard deviation of about 1 over the faces a generator draws."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw latents (count, size) of random faces, on the CPU."""
        ...

    def project(self, latents: Tensor) -> Tensor:
        """Bring latents (n, size) back to where random ones lie; called after each step of the optimization."""
        ...

    def vary(self, latents: Tensor, noise: Tensor, variation: float) -> Tensor:
        """Other images of the same people, with standard normal `noise` (n, size); `variation` in 0…1."""
        ...


@dataclass(frozen=True)
class Sphere:
    """The space of a generator that was trained on standard normal latents: the sphere ‖z‖² = size."""

    size: int

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform on the sphere."""
        return draw_latents(self.size, count, generator)

    def project(self, latents: Tensor) -> Tensor:
        """Scaled back to the sphere."""
        return onto_sphere(latents)

    def vary(self, latents: Tensor, noise: Tensor, variation: float) -> Tensor:
        """As the function `vary`."""
        return vary(latents, noise, variation)


@dataclass(frozen=True)
class Ball:
    """The space of latents that are standard normal and may lie nearer to the mean: the ball that holds nearly all.

    Its squared radius is three standard deviations of ‖z‖² above the mean: size + 3·√(2·size).
    """

    size: int

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Standard normal, within the ball."""
        return self.project(torch.randn(count, self.size, generator=generator))

    def project(self, latents: Tensor) -> Tensor:
        """Pull those outside back to the ball's surface."""
        radius = math.sqrt(self.size + 3 * math.sqrt(2 * self.size))
        shortened: Tensor = latents * (radius / latents.norm(dim=1, keepdim=True).clamp(min=radius))
        return shortened

    def vary(self, latents: Tensor, noise: Tensor, variation: float) -> Tensor:
        """As the function `vary`."""
        return vary(latents, noise, variation)


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
