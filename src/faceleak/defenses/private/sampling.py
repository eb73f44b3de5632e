"""Poisson sampling of units, and the record by which it is checked afterwards what was drawn."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class PoissonSampler:
    """Draws each of `units` by itself with probability `rate`: batches differ in size, and may be empty."""

    units: int
    rate: float
    random: torch.Generator

    def draw(self) -> Tensor:
        """Numbers of the drawn units (any,), in order."""
        return torch.nonzero(torch.rand(self.units, generator=self.random, dtype=torch.float64) < self.rate).flatten()


@dataclass
class DrawRecord:
    """How many units each step drew, and how often each unit was drawn (units,). Private: it is not released."""

    times_drawn: Tensor
    sizes: list[int] = field(default_factory=list)

    def add(self, drawn: Tensor) -> None:
        self.sizes.append(len(drawn))
        self.times_drawn.index_add_(0, drawn, torch.ones(len(drawn), dtype=torch.int64))
