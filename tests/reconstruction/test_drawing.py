import pytest
import torch
from torch import Tensor

from faceleak.reconstruction.drawing import Score, gradient
from faceleak.reconstruction.latents import vary
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.options import PriorOptions


def of_faces(score: Score):
    """The score of faces as what is maximized."""
    return lambda faces, latents: score(faces)


def _slopes(score: Score, prior, latents: Tensor, noise: Tensor, variation: float, step: float) -> Tensor:
    """Central differences, one number at a time."""
    slopes = torch.zeros_like(latents)
    for row in range(latents.shape[0]):
        for column in range(latents.shape[1]):
            shift = torch.zeros_like(latents)
            shift[row, column] = step
            above, below = (
                score(prior.faces(vary(moved, noise, variation)))[row] for moved in (latents + shift, latents - shift)
            )
            slopes[row, column] = (above - below) / (2 * step)
    return slopes


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_the_gradient_is_the_slope_of_a_smooth_score(small_prior, latents, noise) -> None:
    def score(faces: Tensor) -> Tensor:
        return (faces**2).sum((1, 2, 3))

    expected = _slopes(score, small_prior, latents, noise, 0.3, 1e-5)
    assert torch.allclose(gradient(small_prior, of_faces(score), latents, noise, 0.3), expected, rtol=1e-6, atol=1e-7)


def test_the_gradient_through_a_backbone_is_the_slope(tiny_scorer, small_prior, latents, noise) -> None:
    tiny_scorer.backbone.double()
    score = tiny_scorer.score
    expected = _slopes(score, small_prior, latents, noise, 0.3, 1e-3)
    found = gradient(small_prior, of_faces(score), latents, noise, 0.3)
    assert found.abs().min() > 0
    assert torch.allclose(found, expected.detach(), rtol=0.01, atol=0.01)


def test_a_prior_in_bfloat16_points_the_same_way() -> None:
    prior = load_prior(PriorOptions.model_validate("demo"), torch.device("cpu"))
    latents, noise = torch.randn(2, 4, 100, generator=torch.Generator().manual_seed(0))

    def score(faces: Tensor) -> Tensor:
        assert faces.dtype == torch.float32
        return (faces[:, 0] - faces[:, 2]).square().mean((1, 2)).log()

    exact, rough = (
        gradient(prior, of_faces(score), latents, noise, 0.3, dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    assert torch.cosine_similarity(exact, rough).min() > 0.98
    assert not torch.equal(exact, rough)
