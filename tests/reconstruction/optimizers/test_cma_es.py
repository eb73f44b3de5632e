import numpy as np
import pytest
import torch
from torch import Tensor

from faceleak.reconstruction.objectives import registry
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.scorer import ScoreOnlyScorer
from faceleak.reconstruction.search import SEARCH_STEPS, reconstruct

CPU = torch.device("cpu")


class InSteps:
    """White is best, but the score has no gradient: brightness in steps of 0.01."""

    draws, images = False, 1

    def __init__(self) -> None:
        self.scorer, self.rating = self, lambda faces, seed: self.score(faces)

    def score(self, faces: Tensor) -> Tensor:
        return (faces.mean((1, 2, 3)) * 100).round()

    def __call__(self, faces: Tensor, latents: Tensor, seed: int) -> Tensor:
        return self.score(faces)

    def keep(self, ratings: Tensor, faces: object, count: int) -> Tensor:
        return ratings.argsort(descending=True, stable=True)[:count]


@pytest.fixture
def options(search_options: SearchOptions) -> SearchOptions:
    changes = {"optimizer": "cma_es", "population": 6, "steps": 12, "learning_rate": 0.3}
    return search_options.model_copy(update=changes)


def test_a_score_without_gradient_is_climbed(small_prior, options) -> None:
    found = reconstruct(small_prior, InSteps(), options, CPU)
    assert found["optimized"].scores.mean() > found["best_random"].scores.mean() + 2
    assert np.allclose(np.square(found["optimized"].latents).mean(1), 1, atol=1e-5)
    unmoved = reconstruct(small_prior, InSteps(), options.model_copy(update={"steps": 0}), CPU)
    assert found["optimized"].scores.mean() > unmoved["optimized"].scores.mean() + 2


def test_the_same_seed_gives_the_same_faces_whatever_the_batch_size(small_prior, options) -> None:
    found, again, in_other_batches, other = (
        reconstruct(small_prior, InSteps(), options.model_copy(update=changes), CPU)
        for changes in ({}, {}, {"batch_size": 64}, {"seed": 5})
    )
    for step in SEARCH_STEPS:
        assert found[step].latents.tobytes() == again[step].latents.tobytes()
        assert np.allclose(found[step].latents, in_other_batches[step].latents, atol=1e-5)
    assert not np.allclose(found["optimized"].latents, other["optimized"].latents, atol=0.1)


def test_all_terms_are_climbed_by_scores_alone(tiny_scorer, small_prior, options) -> None:
    class Attack:
        """The fitted attack of `tiny_scorer`, by its scores."""

        options, model = None, tiny_scorer.model

        def score(self, inputs) -> np.ndarray:
            return self.model.score(inputs.own)

    class InSingle:
        latent_size, space = small_prior.latent_size, small_prior.space

        def faces(self, latents: Tensor) -> Tensor:
            return small_prior.faces(latents).float()

    scorer = ScoreOnlyScorer(tiny_scorer.backbone, tiny_scorer.signals, Attack(), ())
    for weights in ({"membership": 1.0}, dict.fromkeys(registry.names(), 1.0)):
        found = reconstruct(InSingle(), Objective(scorer, weights), options, CPU)
        assert np.isfinite(found["optimized"].scores).all()
        assert found["optimized"].scores.mean() > found["random"].scores.mean()
