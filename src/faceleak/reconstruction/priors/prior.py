"""What stage 2 asks of a generator."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.reconstruction.latents import LatentSpace


class Prior(Protocol):
    """A generator, seen as latents in, faces out."""

    @property
    def latent_size(self) -> int:
        """Numbers in a latent."""
        ...

    @property
    def space(self) -> "LatentSpace":
        """Where latents are drawn, and how they are kept there and varied."""
        ...

    def faces(self, latents: "Tensor") -> "Tensor":
        """Latents (n, latent_size) → faces (n, 3, height, width), RGB in 0…1, differentiable."""
        ...
