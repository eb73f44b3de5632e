"""Optimisers by name: the file in this room, and what `search.optimiser` says."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of
from faceleak.reconstruction import optimisers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.options import SearchOptions
    from faceleak.reconstruction.priors import Prior

NOT_OPTIMISERS = frozenset({"registry"})


class UnknownOptimiserError(FaceleakError):
    """No optimiser has this name."""


class Optimiser(Protocol):
    """What a file of this room defines. TAKES_GRADIENTS: whether the score has to be differentiable."""

    TAKES_GRADIENTS: bool

    def climb(
        self,
        prior: "Prior",
        objective: "Objective",
        latents: "Tensor",
        options: "SearchOptions",
        generator: "torch.Generator",
        dtype: "torch.dtype",
    ) -> tuple["Tensor", list[float]]:
        """Latents (n, size) → better ones (n, size) within the prior's space, and the mean climbed at each step."""
        ...


def names() -> list[str]:
    """All optimisers there are."""
    return files_of(optimisers, NOT_OPTIMISERS)


def check_optimiser(name: str) -> str:
    """Return `name`, or raise UnknownOptimiserError with the known names and the nearest one."""
    return check_name(name, "optimiser", names(), UnknownOptimiserError)


def get(name: str) -> Optimiser:
    """Import the file of an optimiser. Raises UnknownOptimiserError."""
    module: Any = import_module(f"faceleak.reconstruction.optimisers.{check_optimiser(name)}")
    found: Optimiser = module
    return found
