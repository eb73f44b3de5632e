"""CMA-ES with a diagonal covariance (Ros and Hansen, PPSN 2008): maximizes scores that have no gradient.

Each latent is the mean of a search distribution of its own. At every step all people's populations are scored, batch by
batch, through prior and backbone. A diagonal is learnt from (size + 2)/3 times fewer images than a full covariance.
"""

from functools import partial

import numpy as np
import torch
from cmaes import SepCMA
from numpy.typing import NDArray
from torch import Tensor

from faceleak.reconstruction.drawing import draw_noise, draw_seed
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior
from faceleak.work.progress import track

TAKES_GRADIENTS = False


def maximize(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, list[float]]:
    """Latents (n, size) → means of their distributions (n, size) after `options.steps` generations.

    A generation has `options.population` latents a person, and starts with the standard deviation
    `options.learning_rate`. All of a person's latents are varied by the same noise, so that they are compared by what
    they are and not by the image that was drawn. Also the mean of what is maximized in each generation.
    """
    means: list[float] = []
    seeds = torch.randint(2**31, (len(latents),), generator=generator).tolist()
    searches = [
        SepCMA(mean, options.learning_rate, seed=seed, population_size=options.population)
        for mean, seed in zip(latents.double().cpu().numpy(), seeds, strict=True)
    ]
    for _ in track(range(options.steps), f"Searching from {len(latents)} latents", options.steps, "generations"):
        noise = draw_noise(latents.expand(objective.images, *latents.shape), generator)
        maximized = partial(objective, seed=draw_seed(objective, generator))
        asked = np.array([[search.ask() for search in searches] for _ in range(options.population)])
        values = np.array([_values(prior, maximized, of_all, latents, noise, options, dtype) for of_all in asked])
        means.append(float(values.mean()))
        for number, search in enumerate(searches):
            search.tell(
                [(one, -value) for one, value in zip(asked[:, number], values[:, number].tolist(), strict=True)]
            )
    centers = torch.from_numpy(np.array([search.mean for search in searches]))
    return prior.space.project(centers.to(latents)), means


def _values(
    prior: Prior,
    maximized: "partial[Tensor]",
    asked: NDArray[np.float64],
    latents: Tensor,
    noise: Tensor,
    options: SearchOptions,
    dtype: torch.dtype,
) -> NDArray[np.float64]:
    """What one latent of each person, asked (n, size) with noise (k, n, size), is worth: (n,), mean over k images."""
    inside = prior.space.project(torch.from_numpy(asked).to(latents))
    parts = []
    for batch, of_batch in zip(
        torch.split(inside, options.batch_size), torch.split(noise, options.batch_size, dim=1), strict=True
    ):
        with torch.inference_mode():
            with torch.autocast(batch.device.type, dtype, enabled=dtype != torch.float32):
                varied = prior.space.vary(batch.repeat(len(noise), 1), of_batch.flatten(0, 1), options.variation)
                faces = prior.faces(varied)
            parts.append(maximized(faces.to(batch.dtype), varied).view(len(noise), -1).mean(0))
    values: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
    return values
