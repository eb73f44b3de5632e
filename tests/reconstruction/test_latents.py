import pytest
import torch

from faceleak.reconstruction.latents import Ball, draw_latents, onto_sphere, vary


def test_onto_sphere_by_hand() -> None:
    assert torch.allclose(onto_sphere(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) * 2**0.5 / 5)


def test_drawn_latents_lie_on_the_sphere_and_follow_the_generator() -> None:
    latents = draw_latents(9, 5, torch.Generator().manual_seed(1))
    assert torch.allclose(latents.norm(dim=1), torch.full((5,), 3.0))
    assert torch.equal(latents, draw_latents(9, 5, torch.Generator().manual_seed(1)))
    assert not torch.equal(latents, draw_latents(9, 5, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(
    ("variation", "expected"), [(0.0, [1.0, 2.0]), (0.6, [0.8 - 0.6, 1.6 + 1.2]), (1.0, [-1.0, 2.0])]
)
def test_vary_by_hand(variation: float, expected: list[float]) -> None:
    varied = vary(torch.tensor([[1.0, 2.0]]), torch.tensor([[-1.0, 2.0]]), variation)
    assert torch.allclose(varied, torch.tensor([expected]))


def test_vary_keeps_the_spread_of_a_standard_normal() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 4000, 10, generator=generator)
    assert vary(latents, noise, 0.55).std().item() == pytest.approx(1, abs=0.02)


def test_nearly_all_standard_normal_latents_lie_in_the_ball_and_others_are_pulled_to_its_surface() -> None:
    space = Ball(50)
    latents = torch.randn(2000, 50, generator=torch.Generator().manual_seed(0))
    assert (space.project(latents) == latents).all(dim=1).float().mean() > 0.99
    outside = torch.full((1, 50), 2.0)
    assert torch.allclose(space.project(outside).square().sum(), torch.tensor(80.0))  # 50 + 3·√100
    assert torch.allclose(space.project(outside) / outside, torch.full((1, 50), (80 / 200) ** 0.5))
    assert space.draw(3, torch.Generator().manual_seed(1)).shape == (3, 50)
