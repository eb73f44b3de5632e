"""A prior and a score that are small enough for double precision."""

import pytest
import torch
from torch import Tensor, nn

from faceleak.reconstruction.options import SearchOptions


class SmallPrior:
    """Latents (n, 6) → smooth faces (n, 3, 16, 16) in 0…1."""

    latent_size = 6

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.net = nn.Linear(6, 3 * 4 * 4).double().requires_grad_(False)
        self.net.weight.normal_(generator=generator)
        self.net.bias.zero_()

    def faces(self, latents: Tensor) -> Tensor:
        small = torch.sigmoid(self.net(latents.double())).view(-1, 3, 4, 4)
        return nn.functional.interpolate(small, scale_factor=4, mode="bilinear")


@pytest.fixture
def small_prior() -> SmallPrior:
    return SmallPrior()


@pytest.fixture
def search_options() -> SearchOptions:
    return SearchOptions(
        attack="bn_moments", candidates=20, selected=3, rounds=2, steps=8, images_per_person=3, batch_size=7, seed=4
    )
