"""Small priors, and a score that is small enough for double precision."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.grouped_stylegan2 import State, random_state
from faceleak.backbones.backbone import Backbone
from faceleak.membership.models.logistic import LogisticModel
from faceleak.reconstruction.latents import Sphere
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.published import from_official
from faceleak.reconstruction.priors.stylegan2_file import save_stylegan2
from faceleak.reconstruction.priors.stylegan2_network import StyleGAN2
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import bn_distance


class SmallPrior:
    """Latents (n, 6) → smooth faces (n, 3, 16, 16) in 0…1."""

    latent_size = 6
    space = Sphere(6)

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
def tiny_scorer(tiny_backbone: Backbone, tiny_attack: LogisticModel) -> Scorer:
    """`tiny_attack` on what `tiny_backbone` shows."""
    return Scorer(tiny_backbone, ("bn_distance",), tiny_attack)


@pytest.fixture(scope="session")
def official_state() -> State:
    """16 pixels, z of 7, w of 9 numbers, under the names of StyleGAN2-ADA."""
    return random_state((12, 10, 8), 7, 9, mapping_layers=3)


@pytest.fixture(scope="session")
def network(official_state: State) -> StyleGAN2:
    """Our form of `official_state`."""
    shape, weights = from_official(official_state, "random")
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def converted(official_state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`official_state` as a converted file."""
    path = tmp_path_factory.mktemp("prior") / "small.safetensors"
    save_stylegan2(path, *from_official(official_state, "random"), {"source_format": "test", "source_sha256": "0" * 64})
    return path
