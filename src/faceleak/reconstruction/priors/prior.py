"""What stage 2 asks of a generator, and what can be wrong with one that the user can mend."""

from typing import TYPE_CHECKING, Protocol

from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.reconstruction.latents import LatentSpace


class PriorError(FaceleakError):
    """A prior's files are missing, damaged, unsafe or of an architecture that is not known, or its network misfits."""


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
