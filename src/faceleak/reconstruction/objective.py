"""How what is climbed changes with the latents: one image of each person at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from faceleak.reconstruction.priors import Prior

Climbed = Callable[[Tensor, Tensor], Tensor]  # faces (n, 3, h, w) and the latents that made them (n, size) → (n,)


def gradient(
    prior: Prior,
    climbed: Climbed,
    latents: Tensor,
    noise: Tensor,
    variation: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """How the value of one more image of each person changes with its latent: (n, size) → (n, size).

    noise: (n, size), or (k·n, size) for k images of each person, all first ones before all second ones. With a fresh
    one at every step this is an unbiased estimate of the gradient of the person's mean value. That is smoother than the
    value of a single image, whose maxima are often accidents of that image. The prior computes in `dtype`, the backbone
    as it is; no gradient reaches the backbone's parameters.
    """
    latents = latents.detach().requires_grad_(True)
    with torch.autocast(latents.device.type, dtype, enabled=dtype != torch.float32):
        varied = prior.space.vary(latents.repeat(len(noise) // len(latents), 1), noise, variation)
        faces = prior.faces(varied)
    (result,) = torch.autograd.grad(climbed(faces.to(latents.dtype), varied).sum(), latents)
    return result
