"""A prior and a score that are small enough for double precision."""

import pytest
import torch
from torch import Tensor, nn

from faceleak.backbones.backbone import Backbone
from faceleak.membership.models.logistic import LogisticModel
from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.options import SearchOptions
from faceleak.signals import bn_distance


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


@pytest.fixture
def tiny_attack(tiny_backbone: Backbone) -> LogisticModel:
    """Some weights on the BN distances of `tiny_backbone`."""
    columns = tuple(f"bn_distance.{name}" for name in bn_distance.column_names(tiny_backbone.net))
    weights = torch.linspace(-1, 1, len(columns)).tolist()
    ones = (1.0,) * len(columns)
    return LogisticModel(columns=columns, mean=ones, scale=ones, weights=tuple(weights), bias=0.25, threshold=0.0)


@pytest.fixture
def tiny_guide(tiny_backbone: Backbone, tiny_attack: LogisticModel) -> Guide:
    """`tiny_attack` on what `tiny_backbone` shows."""
    return Guide(tiny_backbone, ("bn_distance",), tiny_attack)
