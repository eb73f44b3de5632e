"""What a search draws: faces of latents, their scores, how what is maximized changes with the latents, and chance."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior
from faceleak.work.progress import track

Maximized = Callable[[Tensor, Tensor], Tensor]  # faces (n, 3, h, w) and the latents that made them (n, size) → (n,)


def gradient(
    prior: Prior,
    maximized: Maximized,
    latents: Tensor,
    noise: Tensor,
    variation: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """How the value of one more image of each person changes with its latent: (n, size) → (n, size).

    noise: (n, size), or (k·n, size) for k images of each person, all first ones before all second ones. With a fresh
    one at every step this is an unbiased estimate of the gradient of the person's mean value. That is smoother than the
    value of a single image, whose maxima are often accidents of that image. The prior computes in `dtype`, the backbone
    as it is; no gradient reaches the backbone's parameters.
    """
    latents = latents.detach().requires_grad_(True)
    with torch.autocast(latents.device.type, dtype, enabled=dtype != torch.float32):
        varied = prior.space.vary(latents.repeat(len(noise) // len(latents), 1), noise, variation)
        faces = prior.faces(varied)
    (result,) = torch.autograd.grad(maximized(faces.to(latents.dtype), varied).sum(), latents)
    return result


Score = Callable[[Tensor], Tensor]  # faces (n, 3, h, w) → (n,)


def draw_faces(prior: Prior, latents: Tensor, batch_size: int) -> Tensor:
    """Faces (n, 3, h, w) in 0…1 of latents (n, latent_size), a batch at a time, without gradients."""
    with torch.inference_mode():
        return torch.cat([prior.faces(batch) for batch in torch.split(latents, batch_size)])


def pixels_of(faces: Tensor) -> NDArray[np.uint8]:
    """Faces (n, 3, h, w) → RGB pixels (n, h, w, 3); what lies outside 0…1 is cut off."""
    pixels: NDArray[np.uint8] = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels


def score_latents(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Tensor:
    """Membership scores (n,) of the faces that latents (n, latent_size) make."""
    batches = torch.split(latents, batch_size)
    with torch.inference_mode():
        scores = [score(prior.faces(batch)) for batch in track(batches, "Ranking latents", len(batches), "batches")]
    return torch.cat(scores)


def score_people(
    prior: Prior, score: Score, latents: Tensor, options: SearchOptions, generator: torch.Generator
) -> Tensor:
    """Mean membership scores (n,) over `options.images_per_person` images of each latent (n, latent_size)."""
    images = [
        prior.space.vary(latents, draw_noise(latents, generator), options.variation)
        for _ in range(options.images_per_person)
    ]
    return score_latents(prior, score, torch.cat(images), options.batch_size).view(len(images), -1).mean(0)


def rate_people(
    prior: Prior, objective: Objective, latents: Tensor, options: SearchOptions, generator: torch.Generator
) -> Tensor:
    """What decides who is kept, (n,) for latents (n, latent_size): a mean over `options.images_per_person` images.

    By `options.rating` it is the membership score, or all that is maximized but for `diversity`.
    """
    seed = draw_seed(objective, generator)
    if options.rating == "membership":
        return score_people(prior, partial(objective.rating, seed=seed), latents, options, generator)
    images = options.images_per_person
    noise = draw_noise(latents.expand(images, *latents.shape), generator)
    size = max(1, options.batch_size // images)
    parts = []
    for batch, of_batch in zip(torch.split(latents, size), torch.split(noise, size, dim=1), strict=True):
        with torch.inference_mode():
            varied = prior.space.vary(batch.repeat(images, 1), of_batch.flatten(0, 1), options.variation)
            parts.append(objective.worth(prior.faces(varied), varied, seed, images).view(images, -1).mean(0))
    return torch.cat(parts)


def draw_noise(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise of the shape of `latents`, drawn on the CPU."""
    return torch.randn(latents.shape, generator=generator).to(latents)


def draw_seed(objective: Objective, generator: torch.Generator) -> int:
    """Draw a seed where a term takes one; elsewhere the generator goes on as without it."""
    return int(torch.randint(2**31, (1,), generator=generator)) if objective.draws else 0
