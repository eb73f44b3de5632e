import numpy as np
import pytest
import torch
from torch import Tensor

from faceleak.reconstruction.drawing import Score, score_latents, score_people
from faceleak.reconstruction.latents import draw_latents, onto_sphere, vary
from faceleak.reconstruction.objectives import registry
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior
from faceleak.reconstruction.priors.options import StyleGAN2Options
from faceleak.reconstruction.priors.stylegan2 import StyleGAN2Prior
from faceleak.reconstruction.search import SEARCH_STEPS, Reconstructions, reconstruct

CPU = torch.device("cpu")


def brightness(faces: Tensor) -> Tensor:
    """A score with one obvious best face: white."""
    return 10 * faces.mean((1, 2, 3))


class Plain:
    """A score of faces as guide and objective in one: what `Objective` is with the term `membership` alone."""

    draws, images = False, 1

    def __init__(self, score: Score) -> None:
        self.scorer, self.score, self.rating = self, score, lambda faces, seed: score(faces)

    def __call__(self, faces: Tensor, latents: Tensor, seed: int) -> Tensor:
        return self.score(faces)

    def keep(self, ratings: Tensor, faces: object, count: int) -> Tensor:
        return ratings.argsort(descending=True, stable=True)[:count]


class InSingle:
    """A prior whose faces are in single precision, as the backbone takes them."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.latent_size, self.space = prior, prior.latent_size, prior.space

    def faces(self, latents: Tensor) -> Tensor:
        return self.prior.faces(latents).float()


BRIGHT = Plain(brightness)


def _same(one: dict[str, Reconstructions], other: dict[str, Reconstructions], tolerance: float) -> bool:
    return all(np.allclose(one[step].latents, other[step].latents, atol=tolerance) for step in SEARCH_STEPS)


def test_every_step_holds_the_selected_number_of_images_with_their_own_scores(small_prior, search_options) -> None:
    found = reconstruct(small_prior, BRIGHT, search_options, CPU)
    for faces in map(found.get, SEARCH_STEPS):
        assert faces.latents.shape == (3, 6)
        assert faces.pixels.shape == (3, 16, 16, 3)
        assert faces.pixels.dtype == np.uint8
        assert np.allclose(faces.scores, 10 * faces.pixels.mean((1, 2, 3)) / 255, atol=0.03)
        assert np.allclose(np.square(faces.latents).mean(1), 1, atol=1e-5)


def test_the_best_random_are_the_best_of_all_candidates(small_prior, search_options) -> None:
    found = reconstruct(small_prior, BRIGHT, search_options, CPU)
    candidates = draw_latents(6, 20, torch.Generator().manual_seed(4))
    scores = brightness(small_prior.faces(candidates)).numpy()
    assert np.allclose(found["best_random"].scores, np.sort(scores)[::-1][:3])
    assert np.array_equal(found["random"].latents, candidates[:3].numpy())


def test_optimizing_raises_the_scores(small_prior, search_options) -> None:
    for variation in (0.0, 0.3):
        options = search_options.model_copy(update={"variation": variation})
        found = reconstruct(small_prior, BRIGHT, options, CPU)
        assert found["optimized"].scores.min() > found["best_random"].scores.min()
        assert found["optimized"].scores.mean() > found["best_random"].scores.mean() + 0.1


def test_the_climb_tells_the_mean_of_what_was_climbed_at_each_step(small_prior, search_options) -> None:
    options = search_options.model_copy(update={"rounds": 1, "variation": 0.0})
    found = reconstruct(small_prior, BRIGHT, options, CPU)
    ascent = found["optimized"].ascent
    assert len(ascent) == options.steps
    starts = np.sort(brightness(small_prior.faces(draw_latents(6, 20, torch.Generator().manual_seed(4)))).numpy())
    assert np.isclose(ascent[0], starts[::-1][: options.starts].mean(), atol=1e-5)
    assert ascent[-1] > ascent[0]
    assert found["random"].ascent.size == found["best_random"].ascent.size == 0
    longer = options.model_copy(update={"rounds": 2})
    assert len(reconstruct(small_prior, BRIGHT, longer, CPU)["optimized"].ascent) == 2 * options.steps


def test_without_steps_the_optimized_are_starts_as_they_were(small_prior, search_options) -> None:
    options = search_options.model_copy(update={"steps": 0, "variation": 0.0})
    found = reconstruct(small_prior, BRIGHT, options, CPU)
    assert np.allclose(found["optimized"].latents, found["best_random"].latents)


@pytest.mark.parametrize(("selected", "people"), [(3, [0, 1, 2]), (15, [0, 2, 4, 6, 8, 10, 12, 14])])
def test_a_film_leads_from_a_start_through_every_round_to_the_reconstruction(
    small_prior, search_options, selected: int, people: list[int]
) -> None:
    options = search_options.model_copy(update={"selected": selected, "candidates": 60, "rounds": 3})
    found = reconstruct(small_prior, BRIGHT, options, CPU)
    film, reconstructions = found["film"], found["optimized"]
    assert film.latents.shape == (len(people), 4, 6)
    assert film.pixels.shape == (len(people), 4, 16, 16, 3)
    assert np.array_equal(film.latents[:, -1], reconstructions.latents[people])
    assert np.array_equal(film.pixels[:, -1], reconstructions.pixels[people])
    assert np.allclose(film.scores[:, -1], reconstructions.scores[people], atol=1e-4)
    candidates = draw_latents(6, 60, torch.Generator().manual_seed(4)).numpy()
    starts = {row.tobytes() for row in candidates}
    assert all(row.tobytes() in starts for row in film.latents[:, 0])
    assert (np.diff(film.scores, axis=1) > 0).mean() > 0.8
    unmoved = reconstruct(small_prior, BRIGHT, options.model_copy(update={"steps": 0}), CPU)["film"]
    assert all(np.array_equal(unmoved.latents[:, 0], unmoved.latents[:, moment]) for moment in range(4))


def test_the_score_of_a_person_is_the_mean_over_images_that_vary(small_prior, search_options) -> None:
    options = search_options.model_copy(update={"steps": 0, "rounds": 1, "images_per_person": 400})
    latents = draw_latents(6, 3, torch.Generator().manual_seed(9))
    scores = score_people(small_prior, brightness, latents, options, torch.Generator().manual_seed(0))
    again = score_people(small_prior, brightness, latents, options, torch.Generator().manual_seed(1))
    assert torch.allclose(scores, again, atol=0.1)
    assert not torch.allclose(scores, score_latents(small_prior, brightness, latents, 7), atol=1e-4)


def test_the_same_seed_gives_the_same_faces_and_another_one_others(small_prior, search_options) -> None:
    found = reconstruct(small_prior, BRIGHT, search_options, CPU)
    again = reconstruct(small_prior, BRIGHT, search_options, CPU)
    assert all(np.array_equal(found[step].pixels, again[step].pixels) for step in SEARCH_STEPS)
    other = reconstruct(small_prior, BRIGHT, search_options.model_copy(update={"seed": 5}), CPU)
    assert not _same(found, other, 0.1)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_the_batch_size_changes_nothing(small_prior, search_options: SearchOptions, batch_size: int) -> None:
    found = reconstruct(small_prior, BRIGHT, search_options, CPU)
    options = search_options.model_copy(update={"batch_size": batch_size})
    assert _same(found, reconstruct(small_prior, BRIGHT, options, CPU), 1e-4)


@pytest.mark.parametrize("space", ["z", "w", "w_plus"])
def test_a_stylegan2_is_climbed_in_each_of_its_spaces(converted, search_options, space: str) -> None:
    prior = StyleGAN2Prior(StyleGAN2Options(weights=converted, latent_space=space), CPU)
    found = reconstruct(prior, BRIGHT, search_options, CPU)
    assert found["optimized"].latents.shape == (3, prior.latent_size)
    assert found["optimized"].scores.mean() > found["best_random"].scores.mean() > found["random"].scores.mean()
    again = reconstruct(prior, BRIGHT, search_options, CPU)
    assert all(np.array_equal(found[step].pixels, again[step].pixels) for step in SEARCH_STEPS)


def test_a_backbone_is_climbed_and_stays_as_it_came(tiny_backbone, tiny_scorer, small_prior, search_options) -> None:
    tiny_backbone.train()
    tiny_backbone.net.bn1.eval()
    before = tiny_backbone.weights_hash()
    modes = [module.training for module in tiny_backbone.modules()]
    wanted = [parameter.requires_grad for parameter in tiny_backbone.parameters()]
    found = reconstruct(InSingle(small_prior), Objective(tiny_scorer, {"membership": 1.0}), search_options, CPU)
    assert found["optimized"].scores.mean() > found["best_random"].scores.mean() > found["random"].scores.mean()
    assert tiny_backbone.weights_hash() == before
    assert [module.training for module in tiny_backbone.modules()] == modes
    assert [parameter.requires_grad for parameter in tiny_backbone.parameters()] == wanted
    assert any(wanted)
    assert all(parameter.grad is None for parameter in tiny_backbone.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in tiny_backbone.modules())


def test_membership_alone_is_the_search_by_the_score_bit_for_bit(tiny_scorer, small_prior, search_options) -> None:
    by_terms = reconstruct(InSingle(small_prior), Objective(tiny_scorer, {"membership": 1.0}), search_options, CPU)
    by_score = reconstruct(InSingle(small_prior), Plain(tiny_scorer.score), search_options, CPU)
    weightless = {"membership": 1.0, "diversity": 0.0, "augmented": 0.0}
    without = reconstruct(InSingle(small_prior), Objective(tiny_scorer, weightless), search_options, CPU)
    for step in SEARCH_STEPS:
        assert by_terms[step].latents.tobytes() == by_score[step].latents.tobytes() == without[step].latents.tobytes()
        assert by_terms[step].scores.tobytes() == by_score[step].scores.tobytes()


def test_all_terms_together_are_repeatable_and_lead_elsewhere(tiny_scorer, small_prior, search_options) -> None:
    plain, all_terms = {"membership": 1.0}, dict.fromkeys(registry.names(), 1.0)
    first, again, other = (
        reconstruct(InSingle(small_prior), Objective(tiny_scorer, weights), search_options, CPU)
        for weights in (all_terms, all_terms, plain)
    )
    assert all(np.array_equal(first[step].latents, again[step].latents) for step in SEARCH_STEPS)
    assert not np.allclose(first["optimized"].latents, other["optimized"].latents, atol=0.01)
    assert np.array_equal(first["best_random"].latents, other["best_random"].latents)


def _search_as_it_was(prior: Prior, score: Score, options: SearchOptions) -> Tensor:
    """Latents of the optimized faces, by a search that knows one score and no terms."""
    generator = torch.Generator().manual_seed(options.seed)

    def noise(latents: Tensor) -> Tensor:
        return torch.randn(latents.shape, generator=generator)

    def best_first(latents: Tensor, scores: Tensor) -> Tensor:
        return latents[scores.argsort(descending=True, stable=True)]

    def rated(latents: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([score(prior.faces(batch)) for batch in torch.split(latents, options.batch_size)])

    latents = draw_latents(prior.latent_size, options.candidates, generator)
    latents = best_first(latents, rated(latents))[: options.starts]
    for kept in options.kept:
        latents = latents.clone()
        optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
        for _ in range(options.steps):
            slopes = []
            drawn = noise(latents)
            for batch, of_batch in zip(latents.split(options.batch_size), drawn.split(options.batch_size), strict=True):
                leaf = batch.detach().requires_grad_(True)
                value = score(prior.faces(vary(leaf, of_batch, options.variation)).to(leaf.dtype)).sum()
                slopes += torch.autograd.grad(value, leaf)
            latents.grad = torch.cat(slopes)
            optimizer.step()
            latents.copy_(onto_sphere(latents))
        images = [vary(latents, noise(latents), options.variation) for _ in range(options.images_per_person)]
        latents = best_first(latents, rated(torch.cat(images)).view(len(images), -1).mean(0))[:kept]
    return latents


def test_membership_alone_is_the_search_before_there_were_terms(tiny_scorer, small_prior, search_options) -> None:
    prior = InSingle(small_prior)
    found = reconstruct(prior, Objective(tiny_scorer, {"membership": 1.0}), search_options, CPU)
    expected = _search_as_it_was(prior, tiny_scorer.score, search_options)
    assert found["optimized"].latents.tobytes() == expected.numpy().tobytes()


def test_faces_of_a_search_are_counted_round_by_round() -> None:
    search = SearchOptions(attack="a", candidates=100, selected=4, rounds=3, steps=5, images_per_person=2)
    # rounds start from 16, 8 and 4 latents
    assert search.faces_optimized == 5 * (16 + 8 + 4)
    assert search.faces_ranked == 100 + 2 * (16 + 8 + 4) + 3 * 4 + 4 * 4


def test_what_is_counted_is_what_a_search_does() -> None:
    from faceleak.reconstruction.priors.generators import DemoPrior

    search = SearchOptions(attack="a", candidates=12, selected=2, rounds=2, steps=3, images_per_person=2, batch_size=8)
    ranked: list[int] = []
    maximized: list[int] = []

    class Counted(Plain):
        def __call__(self, faces: Tensor, latents: Tensor, seed: int = 0) -> Tensor:
            maximized.append(len(faces))
            return faces.mean((1, 2, 3))

    def score(faces: Tensor) -> Tensor:
        ranked.append(len(faces))
        return faces.mean((1, 2, 3))

    reconstruct(DemoPrior(CPU), Counted(score), search, CPU)  # type: ignore[arg-type]
    assert sum(ranked) == search.faces_ranked
    assert sum(maximized) == search.faces_optimized
