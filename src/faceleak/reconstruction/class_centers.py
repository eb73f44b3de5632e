"""Class centers without the head: directions in which the embeddings of any faces reach far to one side.

A backbone that was trained with a classification head answers a face by how much it resembles each person of the head:
a little of many and much of few. The rows of the head are therefore the independent components of the embeddings of
faces that show none of these people, as skewed as they can be, and nearly at right angles. Nothing but embeddings is
needed to find them. They are noisy: inverted faces climb on by the membership score, which now has somewhere to start.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.reconstruction.beside import kept_at
from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.options import ClassCentersOptions
from faceleak.reconstruction.person_image import climb
from faceleak.reconstruction.priors import Prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.scorer import Scorer
from faceleak.reconstruction.template_inversion import embed_latents, fit_linear
from faceleak.work.compute import ComputeOptions

ITERATIONS = 40
LEAST_SPREAD = 1e-6  # of a component, in relation to the first one's


@dataclass(frozen=True, eq=False)
class ClassCenters:
    """Faces near directions that the scorer's backbone gives away; by gradients, or by embeddings only."""

    scorer: Scorer
    prior: PriorOptions
    options: ClassCentersOptions
    by_gradients: bool
    compute: ComputeOptions
    intended: None = None

    @property
    def path(self) -> Path:
        """Where the result lies once it is there."""
        scorer = self.scorer
        code = [__name__, *map(objectives.module, self.options.objective), *scorer.code]
        backbones = [backbone.network_hash() for backbone in (scorer.backbone, *scorer.references)]
        parts = (backbones, scorer.signals, scorer.model.to_dict(), self.options, self.by_gradients)
        return kept_at(self, "class_centers", code, *parts)

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Latents (at most `people`, size), those whose faces are nearest to their directions first."""
        options, scorer = self.options, self.scorer.to(device)
        drawn = prior.space.draw(options.candidates, torch.Generator().manual_seed(options.seed)).to(device)
        embeddings = embed_latents(prior, scorer.backbone, drawn, options.batch_size)
        unit = find_directions(embeddings, options.directions, options.seed)
        latents = prior.space.project(fit_linear(embeddings, drawn, options.ridge).latents(unit))
        first = options.steps // 2
        for number, steps in enumerate((first, options.steps - first)):
            if steps and self.by_gradients:
                half = options.model_copy(update={"steps": steps, "seed": options.seed + number})
                latents = climb(prior, scorer, options.objective, latents, unit, half, dtype)
            shown = embed_latents(prior, scorer.backbone, latents, options.batch_size)
            nearest = functional.cosine_similarity(shown, unit).argsort(descending=True, stable=True)[: options.people]
            latents, unit = latents[nearest], unit[nearest]
        return latents


def find_directions(embeddings: Tensor, count: int, seed: int) -> Tensor:
    """At most `count` directions (m, d) of length 1, most skewed first, in which embeddings (n, d) reach far.

    Embeddings are scaled to length 1 and whitened by their first components. All w climb the mean of max(wᵀx, 0)³ at
    once by FastICA's fixed point (Hyvärinen 1999), w ← E[max(wᵀx, 0)² x] − 2 E[max(wᵀx, 0)] w, and are set at right
    angles after each step. Those that are no more skewed than what the same finds in normal numbers are left out, but
    for the most skewed one.
    """
    unit = functional.normalize(embeddings.cpu().double(), dim=1)
    centered = unit - unit.mean(0)
    spread, axes = torch.linalg.eigh(centered.T @ centered / len(centered))
    spread, axes = spread.flip(0), axes.flip(1)
    size = min(count, int((spread > LEAST_SPREAD * spread[0]).sum()))
    deviations, axes = spread[:size].sqrt(), axes[:, :size]
    generator = torch.Generator().manual_seed(seed)
    found, skewness = _components(centered @ axes / deviations, generator)
    normal = torch.randn(len(centered), size, generator=generator, dtype=torch.float64)
    by_chance = _components(normal, generator)[1][0]
    kept = found[: max(1, int((skewness > by_chance).sum()))]
    return functional.normalize((kept * deviations) @ axes.T, dim=1).to(embeddings)


def _components(white: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows (k, k) at right angles by which white numbers (n, k) are most skewed, and their skewness, descending."""
    size = white.shape[1]
    rows = _at_right_angles(torch.randn(size, size, generator=generator, dtype=torch.float64))
    for _ in range(ITERATIONS):
        reached = (white @ rows.T).clamp(min=0)
        rows = _at_right_angles(reached.square().T @ white / len(white) - 2 * reached.mean(0)[:, None] * rows)
    skewness = (white @ rows.T).pow(3).mean(0)
    order = skewness.abs().argsort(descending=True, stable=True)
    return (rows * skewness.sign()[:, None])[order], skewness.abs()[order]


def _at_right_angles(rows: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(rows, full_matrices=False)
    turned: Tensor = left @ right
    return turned
