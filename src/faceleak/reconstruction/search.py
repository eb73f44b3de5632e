"""Stage 2 of arXiv 2401.13719: sample latents, rank them by the attack of stage 1, optimise the best.

Ours: the optimisation climbs the mean score of a person's images instead of that of one image, starts from more latents
than it returns, and drops the worse ones on the way (successive halving, arXiv 1502.07943).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.reconstruction.drawing import Score, draw_faces, rate_people, score_latents
from faceleak.reconstruction.keeping import best
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.optimisers import registry as optimisers
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior

SEARCH_STEPS = ("random", "best_random", "optimised")

Arrays = dict[str, NDArray[Any]]
Remember = Callable[[str, Callable[[], Arrays]], Arrays]


@dataclass(frozen=True)
class Reconstructions:
    """Latents (n, latent_size), RGB pixels (n, height, width, 3) and membership scores (n,) of these very images."""

    latents: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    scores: NDArray[np.float32]


def reconstruct(
    prior: Prior,
    objective: Objective,
    options: SearchOptions,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    remember: Remember = lambda _, make: make(),
) -> dict[str, Reconstructions]:
    """Reconstruct faces: `random` latents, the `best_random` of all candidates, best first, and those `optimised`.

    Each holds `options.selected` faces. Same options and backbone → same faces: all that is random is drawn from
    `options.seed` on the CPU, and `options.batch_size` changes no more than rounding, but for the term `diversity`,
    which is about the faces of one batch. `best_random` are the best by the membership score alone. The prior computes
    in `dtype` while latents are optimised, and in float32 when they are ranked and drawn. `remember` gives what a round
    of this name has made before, or lets it be made.
    """
    score = objective.guide.score
    generator = torch.Generator().manual_seed(options.seed)
    latents = prior.space.draw(options.candidates, generator).to(device)
    scores = score_latents(prior, score, latents, options.batch_size)
    chosen = {"random": latents[: options.selected], "best_random": latents[best(scores, options.selected)]}
    starts = latents[objective.keep(scores, partial(draw_faces, prior, latents, options.batch_size), options.starts)]
    chosen["optimised"] = optimise(prior, objective, starts, options, generator, dtype, remember)
    return {step: _reconstructions(prior, score, chosen[step], options.batch_size) for step in SEARCH_STEPS}


def optimise(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    remember: Remember = lambda _, make: make(),
) -> Tensor:
    """Climb from `latents` (n, latent_size) round by round, and keep the better half each time.

    Returns `options.selected` latents, those whose people are rated highest first. Without the term `diversity`,
    latents do not influence each other but by being dropped.
    """
    for number, kept in enumerate(options.kept):
        made = remember(f"round_{number}", partial(_round, prior, objective, latents, options, generator, dtype, kept))
        latents = torch.from_numpy(made["latents"]).to(latents)
        generator.set_state(torch.from_numpy(made["generator"]))
    return latents


def _round(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype,
    kept: int,
) -> Arrays:
    """Climb and keep the better ones: their `latents`, and the state of the `generator` after it."""
    latents = optimisers.get(options.optimiser).climb(prior, objective, latents, options, generator, dtype)
    ratings = rate_people(prior, objective, latents, options, generator)
    places = objective.keep(ratings, partial(draw_faces, prior, latents, options.batch_size), kept)
    return {"latents": latents[places].cpu().numpy(), "generator": generator.get_state().numpy()}


def _reconstructions(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Reconstructions:
    faces = draw_faces(prior, latents, batch_size)
    with torch.inference_mode():
        scores = torch.cat([score(batch) for batch in torch.split(faces, batch_size)])
    pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Reconstructions(latents.cpu().numpy(), pixels, scores.cpu().numpy())
