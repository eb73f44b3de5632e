"""A space of searches, and the search and prior from which trials depart."""

import pytest

from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.tuning.reconstruction.options import SearchSpace

SPACE = {
    "objective": {"membership": [1.0], "consistency": [0.0, 10.0], "diversity": [0.0, 0.3]},
    "steps": [1, 20],
    "rounds": [1, 4],
    "learning_rate": [0.05, 0.5],
    "variation": [0.1, 0.6],
}
SEARCH = SearchOptions(
    attack="bn_moments", candidates=200, selected=8, rounds=3, steps=5, learning_rate=0.2, variation=0.3
)
DEMO = PriorOptions(demo=True)


def stylegan2(latent_space: str) -> PriorOptions:
    return PriorOptions(stylegan2={"weights": "faces.safetensors", "latent_space": latent_space})


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace(**SPACE)
