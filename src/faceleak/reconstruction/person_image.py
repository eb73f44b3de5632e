"""From one image of a person: is this person in there, and what did the training photos look like?

The search stays near the person in the target's own embedding and maximizes the membership score of stage 1.
`inversion` is the same search without that score: what the image alone gives away, of members and of non-members alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.common.errors import FaceleakError
from faceleak.reconstruction.drawing import Maximized, draw_faces, draw_noise, draw_seed, gradient, score_latents
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import NearOptions, PersonImageOptions
from faceleak.reconstruction.priors import Prior
from faceleak.reconstruction.scorer import Scorer
from faceleak.reconstruction.template_inversion import starts
from faceleak.signals import Need
from faceleak.work.progress import track

METHODS = ("start", "inversion", "person_image")
EMBEDDING: frozenset[Need] = frozenset({"embedding"})


class NoGradientError(FaceleakError):
    """The attack has no gradient to maximize."""


@dataclass(frozen=True)
class PersonFaces:
    """Latents (n, size), their faces (n, 3, h, w) in 0…1, and mean membership scores (n,) of these people."""

    latents: Tensor
    faces: Tensor
    scores: Tensor


def search_people(
    prior: Prior, scorer: Scorer, templates: Tensor, options: PersonImageOptions
) -> dict[str, PersonFaces]:
    """Search from each person's template (n, d), an embedding by the scorer's backbone: method → faces, in order.

    `start`: the face nearest to the image of all candidates and of the linear map. `inversion`: from there, Adam
    maximizes the cosine to the image. `person_image`: the cosine and `options.objective`. Same options → same faces.
    """
    unit = functional.normalize(templates, dim=1)
    *_, start = starts(prior, scorer.backbone, unit, options)
    found = {
        "start": start,
        "inversion": climb(prior, scorer, {}, start, unit, options),
        "person_image": climb(prior, scorer, options.objective, start, unit, options),
    }
    return {
        method: PersonFaces(
            latents, draw_faces(prior, latents, options.batch_size), _scores(prior, scorer, latents, options)
        )
        for method, latents in found.items()
    }


def climb(
    prior: Prior,
    scorer: Scorer,
    weights: Mapping[str, float],
    start: Tensor,
    unit: Tensor,
    options: NearOptions,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Latents (n, size) after `options.steps` steps of Adam from `start` (n, size), near to `unit` (n, d) each.

    What is maximized is `options.near` times the cosine to it and the weighted terms; the prior computes in `dtype`.
    """
    objective, latents = Objective(scorer, weights), start.clone()
    generator = torch.Generator().manual_seed(options.seed)
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
    size = options.batch_size
    for _ in track(range(options.steps), f"Searching {len(latents)} people", options.steps, "steps"):
        noise = draw_noise(latents.expand(objective.images, *latents.shape), generator)
        seed = draw_seed(objective, generator)
        parts = [
            gradient(
                prior,
                _near(objective, wanted, options.near, seed),
                batch,
                of_batch.flatten(0, 1),
                options.variation,
                dtype,
            )
            for batch, wanted, of_batch in zip(
                torch.split(latents, size), torch.split(unit, size), torch.split(noise, size, dim=1), strict=True
            )
        ]
        latents.grad = torch.cat(parts)
        optimizer.step()
        latents.copy_(prior.space.project(latents))
    return latents


def _near(objective: Objective, wanted: Tensor, weight: float, seed: int) -> Maximized:
    """What is maximized beside the templates `wanted` (n, d), by images of these n people."""

    def maximized(faces: Tensor, latents: Tensor) -> Tensor:
        sample = objective.sample(faces, latents, seed, objective.images, besides=EMBEDDING)
        near = functional.cosine_similarity(sample.seen.embedding, wanted.repeat(objective.images, 1))
        return weight * near + objective.value(sample)

    return maximized


def _scores(prior: Prior, scorer: Scorer, latents: Tensor, options: PersonImageOptions) -> Tensor:
    generator = torch.Generator().manual_seed(options.seed)
    noise = draw_noise(latents.expand(options.images_per_person, *latents.shape), generator)
    varied = prior.space.vary(latents.repeat(len(noise), 1), noise.flatten(0, 1), options.variation)
    return score_latents(prior, scorer.score, varied, options.batch_size).view(len(noise), -1).mean(0)
