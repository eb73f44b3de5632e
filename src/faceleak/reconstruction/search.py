"""Stage 2 of arXiv 2401.13719: sample latents, rank them by the attack of stage 1, optimize the best.

Ours: the optimization maximizes the mean score of a person's images instead of that of one image, starts from more
latents than it returns, and drops the worse ones on the way (successive halving, arXiv 1502.07943).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.reconstruction.drawing import Score, draw_faces, pixels_of, rate_people, score_latents
from faceleak.reconstruction.objectives.objective import Objective, best
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.reconstruction.options import FILMED, SearchOptions
from faceleak.reconstruction.priors import Prior

SEARCH_STEPS = ("random", "best_random", "optimized")
FILM = "film"

Arrays = dict[str, NDArray[Any]]
Remember = Callable[[str, Callable[[], Arrays]], Arrays]


@dataclass(frozen=True)
class Reconstructions:
    """Latents (n, latent_size), RGB pixels (n, height, width, 3) and membership scores (n,) of these very images.

    `maximize`: the mean of what was maximized at each step, over all latents that were still there; empty without an
    ascent. Latents, pixels and scores of a film are (people, moments, …).
    """

    latents: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    ascent: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


def reconstruct(
    prior: Prior,
    objective: Objective,
    options: SearchOptions,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    remember: Remember = lambda _, make: make(),
) -> dict[str, Reconstructions]:
    """Reconstruct faces: `random` latents, the `best_random` of all candidates, best first, and those `optimized`.

    Each holds `options.selected` faces. `film` shows how those at the places `filmed` of `optimized` came about: at the
    start and after each round. Same options and backbone → same faces: all that is random is drawn from
    `options.seed` on the CPU, and `options.batch_size` changes no more than rounding, but for the term `diversity`,
    which is about the faces of one batch. `best_random` are the best by the membership score alone. The prior computes
    in `dtype` while latents are optimized, and in float32 when they are ranked and drawn. `remember` gives what a round
    of this name has made before, or lets it be made.
    """
    score = objective.scorer.score
    generator = torch.Generator().manual_seed(options.seed)
    latents = prior.space.draw(options.candidates, generator).to(device)
    scores = score_latents(prior, score, latents, options.batch_size)
    chosen = {"random": latents[: options.selected], "best_random": latents[best(scores, options.selected)]}
    starts = latents[objective.keep(scores, partial(draw_faces, prior, latents, options.batch_size), options.starts)]
    course, means = optimize(prior, objective, starts, options, generator, dtype, remember)
    chosen["optimized"] = course[:, -1].contiguous()
    found = {step: _reconstructions(prior, score, chosen[step], options.batch_size) for step in SEARCH_STEPS}
    found["optimized"] = replace(found["optimized"], ascent=np.array(means, np.float32))
    return found | {FILM: _film(prior, score, course[filmed(len(course))], options.batch_size)}


def filmed(count: int) -> NDArray[np.intp]:
    """Which of `count` optimized faces are filmed: places spread evenly over their ranking, so no selection."""
    return np.linspace(0, count - 1, min(count, FILMED)).round().astype(np.intp)


def optimize(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    remember: Remember = lambda _, make: make(),
) -> tuple[Tensor, list[float]]:
    """Maximize from `latents` (n, latent_size) round by round, and keep the better half each time.

    Returns the courses (selected, rounds + 1, latent_size) of those whose people are rated highest, best first: where
    each started, and where it was after each round; and the mean of what was maximized at each step. Without the term
    `diversity`, latents do not influence each other but by being dropped.
    """
    course, means = latents[:, None], list[float]()
    for number, kept in enumerate(options.kept):
        made = remember(f"round_{number}", partial(_round, prior, objective, course, options, generator, dtype, kept))
        course = torch.from_numpy(made["course"]).to(latents)
        means += made["means"].tolist()
        generator.set_state(torch.from_numpy(made["generator"]))
    return course, means


def _round(
    prior: Prior,
    objective: Objective,
    course: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype,
    kept: int,
) -> Arrays:
    """Maximize and keep the better ones: `course`, `means` at each step, and the state of the `generator` then."""
    optimizer = optimizers.get(options.optimizer)
    latents, means = optimizer.maximize(prior, objective, course[:, -1], options, generator, dtype)
    ratings = rate_people(prior, objective, latents, options, generator)
    places = objective.keep(ratings, partial(draw_faces, prior, latents, options.batch_size), kept)
    course = torch.cat([course, latents[:, None]], dim=1)[places]
    state = generator.get_state().numpy()
    return {"course": course.cpu().numpy(), "means": np.array(means, np.float64), "generator": state}


def _reconstructions(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Reconstructions:
    faces = draw_faces(prior, latents, batch_size)
    with torch.inference_mode():
        scores = torch.cat([score(batch) for batch in torch.split(faces, batch_size)])
    return Reconstructions(latents.cpu().numpy(), pixels_of(faces), scores.cpu().numpy())


def _film(prior: Prior, score: Score, course: Tensor, batch_size: int) -> Reconstructions:
    """Faces along the course (people, moments, latent_size) of some latents."""
    frames = _reconstructions(prior, score, course.flatten(0, 1), batch_size)
    people = course.shape[:2]
    return Reconstructions(
        frames.latents.reshape(*people, -1),
        frames.pixels.reshape(*people, *frames.pixels.shape[1:]),
        frames.scores.reshape(people),
    )
