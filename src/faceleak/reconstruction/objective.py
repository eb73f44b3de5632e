"""What stage 2 climbs: the membership score of stage 1, read through the backbone on generated faces."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.membership.models.logistic import LogisticModel
from faceleak.reconstruction.priors import Prior
from faceleak.signals import registry

Score = Callable[[Tensor], Tensor]


def membership_score(backbone: Backbone, signals: Sequence[str], model: LogisticModel) -> Score:
    """Faces (n, 3, h, w) in 0…1 → membership scores (n,), differentiable; higher says member."""
    readers = [registry.get_reader(name).read for name in signals]

    def score(faces: Tensor) -> Tensor:
        return model.logit(torch.cat([read(backbone, faces) for read in readers], dim=1))

    return score


def gradient(
    prior: Prior,
    score: Score,
    latents: Tensor,
    noise: Tensor,
    variation: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """How the score of one more image of each person changes with its latent: (n, size) → (n, size).

    With fresh `noise` (n, size) at every step this is an unbiased estimate of the gradient of the person's mean score.
    That is smoother than the score of a single image, whose maxima are often accidents of that image. The prior
    computes in `dtype`, the backbone as it is; no gradient reaches the backbone's parameters.
    """
    latents = latents.detach().requires_grad_(True)
    with torch.autocast(latents.device.type, dtype, enabled=dtype != torch.float32):
        faces = prior.faces(prior.space.vary(latents, noise, variation))
    (result,) = torch.autograd.grad(score(faces.to(latents.dtype)).sum(), latents)
    return result
