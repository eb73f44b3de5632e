"""Stage 2 of arXiv 2401.13719: sample latents, rank them by the attack of stage 1, optimise the best."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.progress import track
from faceleak.reconstruction.objective import Score
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import Prior

STEPS = ("random", "best_random", "optimised")


@dataclass(frozen=True)
class Reconstructions:
    """Latents (n, latent_size), RGB pixels (n, height, width, 3) and membership scores (n,), best first."""

    latents: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    scores: NDArray[np.float32]


def reconstruct(prior: Prior, score: Score, options: SearchOptions, device: torch.device) -> dict[str, Reconstructions]:
    """Reconstruct faces: `random` latents, the `best_random` of all candidates, and those `optimised`.

    Same options and backbone → same faces: latents are drawn from `options.seed` on the CPU.
    """
    latents = draw_latents(prior.latent_size, options.candidates, options.seed).to(device)
    scores = score_latents(prior, score, latents, options.batch_size)
    best = scores.argsort(descending=True, stable=True)[: options.selected]
    chosen = {"random": latents[: options.selected], "best_random": latents[best]}
    chosen["optimised"] = optimise(prior, score, chosen["best_random"], options)
    return {step: _reconstructions(prior, score, chosen[step], options.batch_size) for step in STEPS}


def draw_latents(size: int, count: int, seed: int) -> Tensor:
    """Draw standard normal latents (count, size)."""
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def score_latents(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Tensor:
    """Membership scores (n,) of the faces that latents (n, latent_size) make."""
    batches = latents.split(batch_size)
    with torch.inference_mode():
        scores = [score(prior.faces(batch)) for batch in track(batches, "Ranking latents", len(batches), "batches")]
    return torch.cat(scores)


def optimise(prior: Prior, score: Score, latents: Tensor, options: SearchOptions) -> Tensor:
    """Climb score − latent_prior·mean(z²) from each latent by Adam; latents do not influence each other."""
    batches = latents.split(options.batch_size)
    rounds = [(number, step) for number in range(len(batches)) for step in range(options.steps)]
    climbs = [_Climb(prior, score, batch, options) for batch in batches]
    for number, _ in track(rounds, "Optimising latents", len(rounds), "steps"):
        climbs[number].step()
    return torch.cat([climb.latents.detach() for climb in climbs])


class _Climb:
    def __init__(self, prior: Prior, score: Score, start: Tensor, options: SearchOptions) -> None:
        self._prior, self._score, self._options = prior, score, options
        self.latents = start.clone().requires_grad_(True)
        self._optimizer = torch.optim.Adam([self.latents], lr=options.learning_rate)

    def step(self) -> None:
        scores = self._score(self._prior.faces(self.latents))
        loss = -(scores - self._options.latent_prior * self.latents.square().mean(1)).sum()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()


def _reconstructions(prior: Prior, score: Score, latents: Tensor, batch_size: int) -> Reconstructions:
    with torch.inference_mode():
        faces = torch.cat([prior.faces(batch) for batch in latents.split(batch_size)])
        scores = torch.cat([score(batch) for batch in faces.split(batch_size)])
    pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Reconstructions(latents.cpu().numpy(), pixels, scores.cpu().numpy())
