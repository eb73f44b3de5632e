import math

import pytest
import torch

from faceleak.reconstruction.priors.options import StyleGAN2Options
from faceleak.reconstruction.priors.stylegan2 import StyleGAN2Prior, StyleSpace, measure_whitening

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whitening(network):
    return measure_whitening(network)


def _w(network, count: int, seed: int = 1):
    return network.to_w(torch.randn(count, 7, generator=torch.Generator().manual_seed(seed)))


def test_whitening_there_and_back(network, whitening) -> None:
    w = _w(network, 50)
    assert torch.allclose(whitening.to_w(whitening.from_w(w)), w, atol=1e-4)
    assert torch.equal(whitening.to_w(torch.zeros(9)), network.w_mean)


def test_latents_of_random_faces_have_a_second_moment_of_one(network, whitening) -> None:
    latents = whitening.from_w(_w(network, 20_000))
    assert torch.allclose(latents.T @ latents / len(latents), torch.eye(9), atol=0.08)


@pytest.mark.parametrize("copies", [1, 6])
def test_drawn_latents_are_random_faces_the_same_for_all_layers(network, whitening, copies: int) -> None:
    space = StyleSpace(network, whitening, copies)
    latents = space.draw(30, torch.Generator().manual_seed(1))
    layers = latents.view(30, copies, 9)
    assert torch.equal(layers, layers[:, :1].expand(-1, copies, -1))
    w, expected = whitening.to_w(layers[:, 0]), _w(network, 30)
    inside = whitening.from_w(expected).norm(dim=1) <= 3
    assert 5 < inside.sum() < 30
    assert torch.allclose(w[inside], expected[inside], atol=1e-4)
    assert torch.equal(latents, space.draw(30, torch.Generator().manual_seed(1)))


def test_what_strays_is_pulled_back_towards_the_mean_layer_by_layer(network, whitening) -> None:
    space = StyleSpace(network, whitening, 2)
    latents = torch.cat([torch.full((1, 9), 0.5), torch.full((1, 9), -4.0)], dim=1)
    projected = space.project(latents)
    assert torch.allclose(projected, torch.cat([torch.full((1, 9), 0.5), torch.full((1, 9), -1.0)], dim=1))
    assert torch.allclose(space.project(projected), projected)
    assert space.project(torch.zeros(1, 18)).isfinite().all()


def test_an_image_of_a_w_plus_varies_as_that_of_a_w(network, whitening) -> None:
    one, several = (StyleSpace(network, whitening, copies) for copies in (1, 4))
    latents, noise = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    varied = several.vary(latents.repeat(1, 4), noise.repeat(1, 4) / 2, 0.6)  # 4 copies of ε/2: their sum over √4 is ε
    assert torch.allclose(varied, one.vary(latents, noise, 0.6).repeat(1, 4), atol=1e-6)
    assert torch.allclose(one.vary(latents, noise, 0.6), 0.8 * latents + 0.6 * noise)
    spread = several.vary(torch.zeros(4000, 36), torch.randn(4000, 36), 0.5).std()
    assert float(spread) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("space", ["z", "w", "w_plus"])
def test_the_same_people_are_drawn_whatever_the_space(converted, network, whitening, space: str) -> None:
    prior = StyleGAN2Prior(StyleGAN2Options(weights=converted, latent_space=space, truncation=0.6), CPU)
    assert prior.latent_size == {"z": 7, "w": 9, "w_plus": 54}[space]
    z = torch.randn(4, 7, generator=torch.Generator().manual_seed(2))
    z = z / z.norm(dim=1, keepdim=True) * math.sqrt(7)
    w = network.to_w(z)
    latents = z if space == "z" else whitening.from_w(w).repeat(1, prior.latent_size // 9)
    truncated = network.w_mean + 0.6 * (w - network.w_mean)
    expected = (network.draw(truncated[:, None].expand(-1, 6, -1)).clamp(-1, 1) + 1) / 2
    assert torch.allclose(prior.faces(latents), expected, atol=1e-4)
    assert prior.space.draw(3, torch.Generator().manual_seed(0)).shape == (3, prior.latent_size)


def test_a_stronger_truncation_draws_faces_that_are_more_alike(converted) -> None:
    spreads = []
    for truncation in (0.1, 1.0):
        prior = StyleGAN2Prior(StyleGAN2Options(weights=converted, truncation=truncation), CPU)
        spreads.append(prior.faces(prior.space.draw(20, torch.Generator().manual_seed(0))).std(0).mean())
    assert spreads[0] < 0.5 * spreads[1]
