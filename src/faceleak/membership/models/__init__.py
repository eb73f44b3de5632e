"""Attack models, one file each, fitted on a signal's numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self

from faceleak.common.named import Registry, taken

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class AttackModel(Protocol):
    """A fitted attack model: rows of numbers → scores (n,), higher says member.

    threshold: the score from which on it says member. With `logit(rows)`, differentiable in the rows (n, columns) of a
    tensor, stage 2 can maximize it.
    """

    threshold: float

    def score(self, table: "pd.DataFrame") -> "NDArray[np.float64]":
        """Score every row."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        ...

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        ...


class ModelModule(Protocol):
    """What defines an attack model.

    MODEL: the class of what `fit` returns, an `AttackModel`. REGRESSES_A_SCORE, if true: the first column is a score,
    which `score` of the attack names.
    """

    MODEL: type[Any]

    def fit(
        self, table: "pd.DataFrame", columns: Sequence[str], *, regularization: float, with_threshold: bool
    ) -> AttackModel:
        """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns.

        regularization, with_threshold: given to a function that takes them.
        """
        ...


class Models(Registry[ModelModule]):
    """All attack models by name."""

    def regresses_a_score(self, name: str) -> bool:
        """Whether the model takes the name of a score."""
        return "REGRESSES_A_SCORE" in self.defined_by(name)

    def is_regularized(self, name: str) -> bool:
        """Whether the model reads `regularization`."""
        return bool(taken(self.get(name).fit, ["regularization"]))

    def is_differentiable(self, name: str) -> bool:
        """Whether gradients of the score reach the numbers."""
        return hasattr(self.get(name).MODEL, "logit")


registry = Models("faceleak.membership.models", "attack model", ModelModule)
ModelName = Annotated[str, registry]
