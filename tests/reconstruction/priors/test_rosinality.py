from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import grouped_stylegan2
from faceleak.backbones.checkpoint import BackboneError
from faceleak.reconstruction.priors.errors import PriorError
from faceleak.reconstruction.priors.rosinality import read_rosinality
from faceleak.reconstruction.priors.stylegan2_network import StyleGAN2

from .conftest import rosinality_state


def _network(path: Path) -> StyleGAN2:
    shape, weights = read_rosinality(path)
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    return network.requires_grad_(False)


def test_the_generator_draws_what_its_checkpoint_draws(official_state, tmp_path: Path) -> None:
    path = tmp_path / "ffhq.pt"
    mean = official_state["mapping.w_avg"]
    torch.save({"g_ema": rosinality_state(official_state), "latent_avg": mean[None]}, path)
    network = _network(path)
    w = torch.randn(3, network.shape.styles, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network.draw(w), grouped_stylegan2.draw(official_state, w), atol=2e-5)
    assert torch.equal(network.w_mean, mean)
    z = torch.randn(3, 7)
    assert torch.allclose(network.to_w(z), grouped_stylegan2.map_latents(official_state, z), atol=1e-5)


def test_a_checkpoint_of_its_training_has_its_mean_measured(official_state, tmp_path: Path) -> None:
    path = tmp_path / "100000.pt"
    torch.save({"g_ema": rosinality_state(official_state), "args": Namespace(size=16), "ada_aug_p": 0.1}, path)
    network = _network(path)
    w = network.to_w(torch.randn(20_000, 7, generator=torch.Generator().manual_seed(5)))
    assert torch.allclose(network.w_mean, w.mean(0), atol=4 * float((w.std(0) / 100).max()))
    assert torch.equal(network.w_mean, _network(path).w_mean)


def test_other_checkpoints_are_refused(official_state, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"g_ema": {"main.0.weight": torch.ones(2)}}, path)
    with pytest.raises(PriorError, match=r"input\.input"):
        read_rosinality(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(PriorError, match="no state dict"):
        read_rosinality(path)
    state = rosinality_state(official_state)
    state["convs.0.conv.blur.kernel"] = torch.ones(4, 4)
    torch.save({"g_ema": state}, path)
    with pytest.raises(PriorError, match="another filter"):
        read_rosinality(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(BackboneError, match="more than tensors"):
        read_rosinality(path)
