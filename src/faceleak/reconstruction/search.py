"""Stage 2 of arXiv 2401.13719: sample latents, rank them by the attack of stage 1, optimise the best.

Ours: the optimisation climbs the mean score of a person's images instead of that of one image, starts from more latents
than it returns, and drops the worse ones on the way (successive halving, arXiv 1502.07943).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.progress import track
from faceleak.reconstruction.keeping import best
from faceleak.reconstruction.objective import Climbed, gradient
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior

SEARCH_STEPS = ("random", "best_random", "optimised")
FILM = "film"
FILMED = 8  # of the optimised faces

Score = Callable[[Tensor], Tensor]  # faces (n, 3, h, w) → (n,)


@dataclass(frozen=True)
class Reconstructions:
    """Latents (n, latent_size), RGB pixels (n, height, width, 3) and membership scores (n,) of these very images.

    `climb`: the mean of what was climbed at each step, over all latents that were still there; empty without a climb.
    Latents, pixels and scores of a film are (people, moments, …).
    """

    latents: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    climb: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


def reconstruct(
    prior: Prior,
    objective: Objective,
    options: SearchOptions,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Reconstructions]:
    """Reconstruct faces: `random` latents, the `best_random` of all candidates, best first, and those `optimised`.

    Each holds `options.selected` faces. `film` shows how those at the places `filmed` of `optimised` came about: at the
    start and after each round. Same options and backbone → same faces: all that is random is drawn from
    `options.seed` on the CPU, and `options.batch_size` changes no more than rounding, but for the term `diversity`,
    which is about the faces of one batch. `best_random` are the best by the membership score alone. The prior computes
    in `dtype` while latents are optimised, and in float32 when they are ranked and drawn.
    """
    score = objective.guide.score
    generator = torch.Generator().manual_seed(options.seed)
    latents = prior.space.draw(options.candidates, generator).to(device)
    scores = score_latents(prior, score, latents, options.batch_size)
    chosen = {"random": latents[: options.selected], "best_random": latents[best(scores, options.selected)]}
    starts = latents[objective.keep(scores, partial(draw_faces, prior, latents, options.batch_size), options.starts)]
    course, means = optimise(prior, objective, starts, options, generator, dtype)
    chosen["optimised"] = course[:, -1].contiguous()
    found = {step: _reconstructions(prior, score, chosen[step], options.batch_size) for step in SEARCH_STEPS}
    found["optimised"] = replace(found["optimised"], climb=np.array(means, np.float32))
    return found | {FILM: _film(prior, score, course[filmed(len(course))], options.batch_size)}


def filmed(count: int) -> NDArray[np.intp]:
    """Which of `count` optimised faces are filmed: places spread evenly over their ranking, so no selection."""
    return np.linspace(0, count - 1, min(count, FILMED)).round().astype(np.intp)


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
        prior.space.vary(latents, _noise(latents, generator), options.variation)
        for _ in range(options.images_per_person)
    ]
    return score_latents(prior, score, torch.cat(images), options.batch_size).view(len(images), -1).mean(0)


def optimise(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, list[float]]:
    """Climb from `latents` (n, latent_size) round by round, and keep the better half each time.

    Returns the courses (selected, rounds + 1, latent_size) of those whose people are rated highest, best first: where
    each started, and where it was after each round; and the mean of what was climbed at each step. Without the term
    `diversity`, latents do not influence each other but by being dropped.
    """
    course, means = latents[:, None], list[float]()
    for kept in options.kept:
        latents, of_round = climb(prior, objective, course[:, -1], options, generator, dtype)
        means += of_round
        rating = partial(objective.rating, seed=_seed(objective, generator))
        ratings = score_people(prior, rating, latents, options, generator)
        places = objective.keep(ratings, partial(draw_faces, prior, latents, options.batch_size), kept)
        course = torch.cat([course, latents[:, None]], dim=1)[places]
    return course, means


def climb(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, list[float]]:
    """Climb the mean over each person's images for `options.steps` steps of Adam, within the prior's space.

    Returns the latents, and at each step the mean of what is climbed, before the step is made.
    """
    latents, means = latents.clone(), list[Tensor]()
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
    for _ in track(range(options.steps), f"Optimising {len(latents)} latents", options.steps, "steps"):
        noise = _noise(latents.expand(objective.images, *latents.shape), generator)
        batches = zip(
            torch.split(latents, options.batch_size),
            [of_batch.flatten(0, 1) for of_batch in torch.split(noise, options.batch_size, dim=1)],
            strict=True,
        )
        values: list[Tensor] = []
        climbed = _noted(partial(objective, seed=_seed(objective, generator)), values)
        gradients = [gradient(prior, climbed, batch, noise, options.variation, dtype) for batch, noise in batches]
        latents.grad = torch.cat(gradients)
        optimizer.step()
        latents.copy_(prior.space.project(latents))
        means.append(torch.cat(values).mean())
    return latents, [mean.item() for mean in means]


def _noted(climbed: Climbed, values: list[Tensor]) -> Climbed:
    def noting(faces: Tensor, latents: Tensor) -> Tensor:
        value = climbed(faces, latents)
        values.append(value.detach())
        return value

    return noting


def _noise(latents: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(latents.shape, generator=generator).to(latents)


def _seed(objective: Objective, generator: torch.Generator) -> int:
    """Draw a seed where a term takes one; elsewhere the generator goes on as without it."""
    return int(torch.randint(2**31, (1,), generator=generator)) if objective.draws else 0


def draw_faces(prior: Prior, latents: Tensor, batch_size: int) -> Tensor:
    """Faces (n, 3, h, w) in 0…1 of latents (n, latent_size), a batch at a time, without gradients."""
    with torch.inference_mode():
        return torch.cat([prior.faces(batch) for batch in torch.split(latents, batch_size)])


def _reconstructions(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Reconstructions:
    faces = draw_faces(prior, latents, batch_size)
    with torch.inference_mode():
        scores = torch.cat([score(batch) for batch in torch.split(faces, batch_size)])
    pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Reconstructions(latents.cpu().numpy(), pixels, scores.cpu().numpy())


def _film(prior: Prior, score: Score, course: Tensor, batch_size: int) -> Reconstructions:
    """Faces along the course (people, moments, latent_size) of some latents."""
    frames = _reconstructions(prior, score, course.flatten(0, 1), batch_size)
    people = course.shape[:2]
    parts = (frames.latents, frames.pixels, frames.scores)
    return Reconstructions(*(part.reshape(*people, *part.shape[1:]) for part in parts))
