"""What holds for every term, and each term's value by hand."""

import math

import pytest
import torch
from torch import Tensor

from faceleak.common.named import UnknownNameError
from faceleak.reconstruction.objectives import (
    Sample,
    augmented,
    consistency,
    diversity,
    latent_prior,
    registry,
    total_variation,
)
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import bn_distance
from faceleak.signals.observation import NOTHING, Observation, observe


@pytest.fixture
def faces() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1))


def sample(faces: Tensor = NOTHING, latents: Tensor = NOTHING, embedding: Tensor = NOTHING) -> Sample:
    return Sample(latents, faces, Observation(torch.nn.Identity(), faces, embedding, {}, {}), 0)


@pytest.mark.parametrize("name", registry.names())
def test_a_term_is_one_finite_differentiable_number_a_face(name: str, tiny_scorer: Scorer, faces, latents) -> None:
    objective = Objective(tiny_scorer, {name: 1.0})
    moved = faces.clone().requires_grad_(True)
    start = latents.clone().requires_grad_(True)
    value = objective(moved + 0 * start.sum(), start, 3)
    assert value.shape == (4,)
    assert torch.isfinite(value).all()
    slopes = torch.autograd.grad(value.sum(), [moved, start], allow_unused=True, materialize_grads=True)
    assert all(torch.isfinite(slope).all() for slope in slopes)
    assert torch.equal(value, objective(faces, latents, 3))


@pytest.mark.parametrize("name", sorted(set(registry.names()) - {"diversity", "augmented", "consistency"}))
def test_but_for_terms_that_compare_them_faces_do_not_influence_each_other(
    name: str, tiny_scorer: Scorer, faces, latents
) -> None:
    objective = Objective(tiny_scorer, {name: 1.0})
    alone = torch.cat([objective(faces[i : i + 1], latents[i : i + 1]) for i in range(4)])
    assert torch.allclose(objective(faces, latents), alone, atol=1e-4)


def test_weights_add_up(tiny_scorer: Scorer, faces, latents) -> None:
    one, two = (Objective(tiny_scorer, {name: 1.0})(faces, latents) for name in ("membership", "total_variation"))
    both = Objective(tiny_scorer, {"membership": 2.0, "total_variation": 0.5, "diversity": 0.0})
    assert torch.allclose(both(faces, latents), 2 * one + 0.5 * two, atol=1e-5)
    assert "embedding" not in both.needs


def test_membership_is_the_guides_score(tiny_scorer: Scorer, faces, latents) -> None:
    assert torch.equal(Objective(tiny_scorer, {"membership": 1.0})(faces, latents), tiny_scorer.score(faces))


def test_bn_matching_is_the_mean_distance(tiny_scorer: Scorer, faces, latents) -> None:
    seen = observe(tiny_scorer.backbone, faces, {"mean"})
    expected = -bn_distance.compute(seen).mean(1)
    assert torch.allclose(Objective(tiny_scorer, {"bn_matching": 1.0})(faces, latents), expected)


def test_latent_prior_by_hand(tiny_scorer: Scorer) -> None:
    assert latent_prior.value(sample(latents=torch.tensor([[1.0, -3.0]])), tiny_scorer).tolist() == [-2.5]


def test_total_variation_by_hand(tiny_scorer: Scorer) -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(2, 2).expand(1, 3, 2, 4)  # across every step is 1, down none
    assert total_variation.value(sample(stripes), tiny_scorer).tolist() == [-1]


def test_diversity_by_hand(tiny_scorer: Scorer) -> None:
    angles = torch.deg2rad(torch.tensor([0.0, 0.0, 60.0, 180.0]))
    embedding = torch.stack([angles.cos(), angles.sin()], dim=1) * 3
    value = diversity.value(sample(embedding=embedding), tiny_scorer)
    assert torch.allclose(value, torch.tensor([-1.0, -1.0, 0, 0]), atol=1e-5)  # a cosine of 1/2 is not alike yet
    near = torch.tensor([1.0, math.cos(math.radians(30))])
    assert torch.allclose(diversity.repulsion(near), torch.tensor([1.0, (3**0.5 - 1)]), atol=1e-5)


def test_consistency_by_hand(tiny_scorer: Scorer) -> None:
    angles = torch.deg2rad(torch.tensor([0.0, 90.0, 60.0, 90.0]))  # first images of two people, then their second ones
    embedding = torch.stack([angles.cos(), angles.sin()], dim=1) * 3
    alone = sample(embedding=embedding)
    both = Sample(alone.latents, alone.faces, alone.seen, 0, images=2)
    assert torch.allclose(consistency.value(both, tiny_scorer), torch.tensor([0.5, 1, 0.5, 1]), atol=1e-5)
    assert torch.allclose(consistency.value(alone, tiny_scorer), torch.ones(4))


def test_diversity_pushes_faces_apart(tiny_scorer: Scorer) -> None:
    embedding = torch.tensor([[1.0, 0.1], [1.0, -0.1]], requires_grad=True)
    (slope,) = torch.autograd.grad(diversity.value(sample(embedding=embedding), tiny_scorer).sum(), embedding)
    assert slope[0, 1] > 0 > slope[1, 1]


def test_augmentations_follow_the_seed_and_leave_a_face_a_face(faces) -> None:
    smooth = torch.nn.functional.avg_pool2d(faces, 9, 1, 4)
    changed = augmented.augment(smooth, 1)
    assert torch.equal(changed, augmented.augment(smooth, 1))
    assert not torch.equal(changed, augmented.augment(smooth, 2))
    assert changed.min() >= 0
    assert changed.max() <= 1
    state = torch.get_rng_state()
    augmented.augment(smooth, 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_term_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'diversity'"):
        registry.get("divercity")
    with pytest.raises(ValueError, match="divercity"):
        SearchOptions(attack="bn_moments", objective={"divercity": 1}, candidates=5, selected=2, steps=1)


def test_nothing_to_climb_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to maximize"):
        SearchOptions(attack="bn_moments", objective={"membership": 0}, candidates=5, selected=2, steps=1)
