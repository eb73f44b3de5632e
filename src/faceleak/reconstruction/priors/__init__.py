"""Priors: pretrained generators of faces, seen as latents in, faces out."""

from faceleak.reconstruction.priors.opening import load_prior
from faceleak.reconstruction.priors.prior import Prior

__all__ = ["Prior", "load_prior"]
