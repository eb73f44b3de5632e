"""What stage 2 climbs: the membership score of stage 1, read through the backbone on generated faces."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.membership.attack_models import AttackModel
from faceleak.reconstruction.latents import vary
from faceleak.reconstruction.priors import Prior
from faceleak.signals import registry

Score = Callable[[Tensor], Tensor]


def membership_score(backbone: Backbone, signals: Sequence[str], model: AttackModel) -> Score:
    """Faces (n, 3, h, w) in 0…1 → membership scores (n,), differentiable; higher says member."""
    readers = [registry.get(name).read for name in signals]

    def score(faces: Tensor) -> Tensor:
        return model.logit(torch.cat([read(backbone, faces) for read in readers], dim=1))

    return score


def gradient(prior: Prior, score: Score, latents: Tensor, noise: Tensor, variation: float) -> Tensor:
    """How the score of one more image of each person changes with its latent: (n, size) → (n, size).

    With fresh `noise` (n, size) at every step this is an unbiased estimate of the gradient of the person's mean score.
    That is smoother than the score of a single image, whose maxima are often accidents of that image.
    No gradient reaches the backbone's parameters.
    """
    latents = latents.detach().requires_grad_(True)
    scores = score(prior.faces(vary(latents, noise, variation)))
    (result,) = torch.autograd.grad(scores.sum(), latents)
    return result
