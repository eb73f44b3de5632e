"""Optimizers, one file each: how latents maximize, by the name that `search.optimizer` says."""

from typing import TYPE_CHECKING, Annotated, Protocol

from faceleak.common.named import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.options import SearchOptions
    from faceleak.reconstruction.priors import Prior


class Optimizer(Protocol):
    """What defines an optimizer. TAKES_GRADIENTS: whether the score has to be differentiable."""

    TAKES_GRADIENTS: bool

    def maximize(
        self,
        prior: "Prior",
        objective: "Objective",
        latents: "Tensor",
        options: "SearchOptions",
        generator: "torch.Generator",
        dtype: "torch.dtype",
    ) -> tuple["Tensor", list[float]]:
        """Latents (n, size) → better ones (n, size) within the prior's space, and the mean maximized at each step."""
        ...


registry: Registry[Optimizer] = Registry("faceleak.reconstruction.optimizers", "optimizer", Optimizer)
OptimizerName = Annotated[str, registry]
