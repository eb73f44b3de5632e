import numpy as np
import pytest
import torch
from torch import Tensor

from faceleak.reconstruction.latents import draw_latents
from faceleak.reconstruction.objective import membership_score
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.options import StyleGAN2Options
from faceleak.reconstruction.priors.stylegan2 import StyleGAN2Prior
from faceleak.reconstruction.search import STEPS, Reconstructions, reconstruct, score_latents, score_people

CPU = torch.device("cpu")


def brightness(faces: Tensor) -> Tensor:
    """A score with one obvious best face: white."""
    return 10 * faces.mean((1, 2, 3))


def _same(one: dict[str, Reconstructions], other: dict[str, Reconstructions], tolerance: float) -> bool:
    return all(np.allclose(one[step].latents, other[step].latents, atol=tolerance) for step in STEPS)


def test_every_step_holds_the_selected_number_of_images_with_their_own_scores(small_prior, search_options) -> None:
    for faces in reconstruct(small_prior, brightness, search_options, CPU).values():
        assert faces.latents.shape == (3, 6)
        assert faces.pixels.shape == (3, 16, 16, 3)
        assert faces.pixels.dtype == np.uint8
        assert np.allclose(faces.scores, 10 * faces.pixels.mean((1, 2, 3)) / 255, atol=0.03)
        assert np.allclose(np.square(faces.latents).mean(1), 1, atol=1e-5)


def test_the_best_random_are_the_best_of_all_candidates(small_prior, search_options) -> None:
    found = reconstruct(small_prior, brightness, search_options, CPU)
    candidates = draw_latents(6, 20, torch.Generator().manual_seed(4))
    scores = brightness(small_prior.faces(candidates)).numpy()
    assert np.allclose(found["best_random"].scores, np.sort(scores)[::-1][:3])
    assert np.array_equal(found["random"].latents, candidates[:3].numpy())


def test_optimising_raises_the_scores(small_prior, search_options) -> None:
    for variation in (0.0, 0.3):
        options = search_options.model_copy(update={"variation": variation})
        found = reconstruct(small_prior, brightness, options, CPU)
        assert found["optimised"].scores.min() > found["best_random"].scores.min()
        assert found["optimised"].scores.mean() > found["best_random"].scores.mean() + 0.1


def test_without_steps_the_optimised_are_starts_as_they_were(small_prior, search_options) -> None:
    options = search_options.model_copy(update={"steps": 0, "variation": 0.0})
    found = reconstruct(small_prior, brightness, options, CPU)
    assert np.allclose(found["optimised"].latents, found["best_random"].latents)


def test_the_score_of_a_person_is_the_mean_over_images_that_vary(small_prior, search_options) -> None:
    options = search_options.model_copy(update={"steps": 0, "rounds": 1, "images_per_person": 400})
    latents = draw_latents(6, 3, torch.Generator().manual_seed(9))
    scores = score_people(small_prior, brightness, latents, options, torch.Generator().manual_seed(0))
    again = score_people(small_prior, brightness, latents, options, torch.Generator().manual_seed(1))
    assert torch.allclose(scores, again, atol=0.1)
    assert not torch.allclose(scores, score_latents(small_prior, brightness, latents, 7), atol=1e-4)


def test_the_same_seed_gives_the_same_faces_and_another_one_others(small_prior, search_options) -> None:
    found = reconstruct(small_prior, brightness, search_options, CPU)
    again = reconstruct(small_prior, brightness, search_options, CPU)
    assert all(np.array_equal(found[step].pixels, again[step].pixels) for step in STEPS)
    other = reconstruct(small_prior, brightness, search_options.model_copy(update={"seed": 5}), CPU)
    assert not _same(found, other, 0.1)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_the_batch_size_changes_nothing(small_prior, search_options: SearchOptions, batch_size: int) -> None:
    found = reconstruct(small_prior, brightness, search_options, CPU)
    options = search_options.model_copy(update={"batch_size": batch_size})
    assert _same(found, reconstruct(small_prior, brightness, options, CPU), 1e-4)


@pytest.mark.parametrize("space", ["z", "w", "w_plus"])
def test_a_stylegan2_is_climbed_in_each_of_its_spaces(converted, search_options, space: str) -> None:
    prior = StyleGAN2Prior(StyleGAN2Options(weights=converted, latent_space=space), CPU)
    found = reconstruct(prior, brightness, search_options, CPU)
    assert found["optimised"].latents.shape == (3, prior.latent_size)
    assert found["optimised"].scores.mean() > found["best_random"].scores.mean() > found["random"].scores.mean()
    again = reconstruct(prior, brightness, search_options, CPU)
    assert all(np.array_equal(found[step].pixels, again[step].pixels) for step in STEPS)


def test_a_backbone_is_climbed_and_stays_as_it_came(tiny_backbone, tiny_attack, small_prior, search_options) -> None:
    tiny_backbone.train()
    tiny_backbone.net.bn1.eval()
    before = tiny_backbone.weights_hash()
    modes = [module.training for module in tiny_backbone.modules()]
    wanted = [parameter.requires_grad for parameter in tiny_backbone.parameters()]
    score = membership_score(tiny_backbone, ["bn_distance"], tiny_attack)
    found = reconstruct(small_prior, lambda faces: score(faces.float()), search_options, CPU)
    assert found["optimised"].scores.mean() > found["best_random"].scores.mean() > found["random"].scores.mean()
    assert tiny_backbone.weights_hash() == before
    assert [module.training for module in tiny_backbone.modules()] == modes
    assert [parameter.requires_grad for parameter in tiny_backbone.parameters()] == wanted
    assert any(wanted)
    assert all(parameter.grad is None for parameter in tiny_backbone.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in tiny_backbone.modules())
