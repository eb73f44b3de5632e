"""Template inversion: from one leaked embedding back to a face (arXiv 1703.00832; with a generator, 2209.07353).

It works for people who were trained on and for non-members alike: it says what a template gives away, not whom the
target was trained on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading
from faceleak.reconstruction.drawing import Maximized, draw_faces, gradient
from faceleak.reconstruction.objectives.augmented import augment
from faceleak.reconstruction.options import HeadGivenOptions, TargetedOptions
from faceleak.reconstruction.priors import Prior
from faceleak.work.progress import track

METHODS = ("best_random", "linear", "optimized")


@dataclass(frozen=True)
class LinearMap:
    """Embeddings of length 1 → latents, learnt on generated faces alone: the cheap baseline of the field."""

    weight: Tensor
    bias: Tensor

    def latents(self, templates: Tensor) -> Tensor:
        """Templates (n, d) → latents (n, size)."""
        return functional.normalize(templates, dim=1) @ self.weight + self.bias


def fit_linear(embeddings: Tensor, latents: Tensor, ridge: float) -> LinearMap:
    """Fit by ridge regression: embeddings (n, d), of any length, and the latents (n, size) that made the faces.

    `ridge` is what a squared weight costs, in mean squared errors; the intercept costs nothing.
    """
    unit = functional.normalize(embeddings.double(), dim=1)
    center, usual = unit.mean(0), latents.double().mean(0)
    rows = unit - center
    penalty = ridge * len(rows) * torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    weight = torch.linalg.solve(rows.T @ rows + penalty, rows.T @ (latents.double() - usual))
    return LinearMap(weight.to(latents.dtype), (usual - center @ weight).to(latents.dtype))


def invert(
    prior: Prior, target: Backbone, templates: Tensor, options: TargetedOptions
) -> dict[str, tuple[Tensor, Tensor]]:
    """Reconstruct a face from each template (n, d), an embedding by `target`: method → latents and faces, in order.

    `best_random`: of all candidates the face whose embedding has the highest cosine. `linear`: what `LinearMap` says.
    `optimized`: from the better one of these, Adam maximizes the cosine. Same options → same faces.
    """
    unit = functional.normalize(templates, dim=1)
    best, linear, start = starts(prior, target, unit, options)
    found = {"best_random": best, "linear": linear, "optimized": _maximize(prior, target, start, unit, options)}
    return {method: (latents, draw_faces(prior, latents, options.batch_size)) for method, latents in found.items()}


def invert_towards(
    prior: Prior, target: Backbone, directions: Tensor, options: HeadGivenOptions, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Latents (n, size) of faces for directions (n, d) in embedding space, as `optimized` of `invert` finds them.

    Here faces may be augmented, and long latents cost something. The prior computes in `dtype` for gradients.
    """
    unit = functional.normalize(directions, dim=1)
    *_, start = starts(prior, target, unit, options)
    return _maximize(prior, target, start, unit, options, options.shrinking, options.augmented, dtype)


def starts(prior: Prior, target: Backbone, unit: Tensor, options: TargetedOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Latents (n, size) each for templates of length 1 (n, d): `best_random`, `linear`, and the better one of both."""
    generator = torch.Generator().manual_seed(options.seed)
    candidates = prior.space.draw(options.candidates, generator).to(unit)
    embeddings = embed_latents(prior, target, candidates, options.batch_size)
    best = candidates[(unit @ functional.normalize(embeddings, dim=1).T).argmax(1)]
    linear = prior.space.project(fit_linear(embeddings, candidates, options.ridge).latents(unit))
    cosines = [_cosines(prior, target, latents, unit, options.batch_size) for latents in (best, linear)]
    return best, linear, torch.where((cosines[0] >= cosines[1])[:, None], best, linear)


def embed_latents(prior: Prior, target: Backbone, latents: Tensor, batch_size: int) -> Tensor:
    """Embeddings (n, d), of any length, of the faces that latents (n, size) make."""
    batches = torch.split(latents, batch_size)
    with torch.inference_mode(), reading(target):
        tracked = track(batches, "Embedding candidates", len(batches), "batches")
        return torch.cat([target(prior.faces(batch)) for batch in tracked])


def _maximize(
    prior: Prior,
    target: Backbone,
    start: Tensor,
    unit: Tensor,
    options: TargetedOptions,
    shrinking: float = 0.0,
    augmented: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    latents, generator = start.clone(), torch.Generator().manual_seed(options.seed)
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
    size, still = options.batch_size, torch.zeros_like
    for _ in track(range(options.steps), f"Inverting {len(latents)} templates", options.steps, "steps"):
        seed = int(torch.randint(2**31, (1,), generator=generator)) if augmented else None
        parts = []
        with reading(target):
            for batch, wanted in zip(torch.split(latents, size), torch.split(unit, size), strict=True):
                maximized = _towards(target, wanted, shrinking, seed)
                parts.append(gradient(prior, maximized, batch, still(batch), 0.0, dtype))
        latents.grad = torch.cat(parts)
        optimizer.step()
        latents.copy_(prior.space.project(latents))
    return latents


def _towards(target: Backbone, wanted: Tensor, shrinking: float, seed: int | None) -> Maximized:
    """The cosine, of faces that are augmented where there is a seed, less what long latents cost."""

    def maximized(faces: Tensor, latents: Tensor) -> Tensor:
        seen = faces if seed is None else augment(faces, seed)
        cosines = functional.cosine_similarity(target(seen), wanted)
        return cosines - shrinking * latents.square().mean(1) if shrinking else cosines

    return maximized


def _cosines(prior: Prior, target: Backbone, latents: Tensor, unit: Tensor, batch_size: int) -> Tensor:
    faces = torch.split(draw_faces(prior, latents, batch_size), batch_size)
    with torch.inference_mode(), reading(target):
        return functional.cosine_similarity(torch.cat([target(batch) for batch in faces]), unit)
