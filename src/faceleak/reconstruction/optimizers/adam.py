"""Adam (arXiv 1412.6980): maximizes the gradient of the mean over each person's images."""

from functools import partial

import torch
from torch import Tensor

from faceleak.reconstruction.drawing import Maximized, draw_noise, draw_seed, gradient
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior
from faceleak.work.progress import track

TAKES_GRADIENTS = True


def maximize(
    prior: Prior,
    objective: Objective,
    latents: Tensor,
    options: SearchOptions,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, list[float]]:
    """Latents (n, size) → latents (n, size) after `options.steps` steps, each by one more image of every person.

    Also at each step the mean of what is maximized, before the step is made.
    """
    latents, means = latents.clone(), list[Tensor]()
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
    for _ in track(range(options.steps), f"Optimizing {len(latents)} latents", options.steps, "steps"):
        noise = draw_noise(latents.expand(objective.images, *latents.shape), generator)
        batches = zip(
            torch.split(latents, options.batch_size),
            [of_batch.flatten(0, 1) for of_batch in torch.split(noise, options.batch_size, dim=1)],
            strict=True,
        )
        values: list[Tensor] = []
        maximized = _noted(partial(objective, seed=draw_seed(objective, generator)), values)
        gradients = [gradient(prior, maximized, batch, noise, options.variation, dtype) for batch, noise in batches]
        latents.grad = torch.cat(gradients)
        optimizer.step()
        latents.copy_(prior.space.project(latents))
        means.append(torch.cat(values).mean())
    return latents, [mean.item() for mean in means]


def _noted(maximized: Maximized, values: list[Tensor]) -> Maximized:
    def noting(faces: Tensor, latents: Tensor) -> Tensor:
        value = maximized(faces, latents)
        values.append(value.detach())
        return value

    return noting
