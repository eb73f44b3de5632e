"""A light multilayer perceptron on a signal's numbers, as in MINT (arXiv 2402.09225)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership.models.base import PlainData, Scaling, numbers
from faceleak.work.compute import seeded

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class MlpAttackModel(PlainData):
    """A fitted attack. Its score is the network's logit; higher says member.

    `hidden` is the width of the one hidden layer and `parameters` all weights and biases in torch's order. `threshold`
    is the score with the best balanced accuracy on the attacker's own data, by cross-validation over people.
    """

    columns: tuple[str, ...]
    scaling: Scaling
    hidden: int
    parameters: tuple[float, ...]
    threshold: float

    def score(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Score every row of `table` (any finite number; higher says member). Raises AttackColumnsError."""
        from faceleak.membership.models.training import evaluate

        rows = self.scaling.apply(numbers(table, self.columns))
        outputs = evaluate(partial(_network, len(self.columns), self.hidden), self.parameters, rows)
        return outputs[:, 0].astype(np.float64)

    def logit(self, rows: "Tensor") -> "Tensor":
        """Score (n, columns), differentiably: stage 2 maximizes it."""
        from torch.nn.utils import vector_to_parameters

        exact = rows.double()  # a column's mean may be far larger than its scale
        scaled = (exact - exact.new_tensor(self.scaling.mean)) / exact.new_tensor(self.scaling.scale)
        with seeded(0):  # its own initial values are overwritten
            network = _network(len(self.columns), self.hidden).to(exact).requires_grad_(False)
        vector_to_parameters(exact.new_tensor(self.parameters), network.parameters())
        scores: Tensor = network(scaled)[:, 0].to(rows.dtype)
        return scores


MODEL = MlpAttackModel


def fit(table: pd.DataFrame, columns: Sequence[str], hidden: int = 32, seed: int = 0) -> MlpAttackModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns.

    Members and non-members weigh the same in total; training ends once people held out stop gaining. Raises
    AttackFitError if there are so few of them that cross-validation lacks a class.
    """
    from faceleak.membership.models.training import Schedule, fit_classifier

    schedule = Schedule(epochs=60, learning_rate=5e-3, seed=seed)
    build = partial(_network, len(columns), hidden)
    scaling, parameters, threshold = fit_classifier(build, table, columns, schedule)
    return MlpAttackModel(tuple(columns), scaling, hidden, parameters, threshold)


def _network(columns: int, hidden: int) -> "nn.Module":
    from torch import nn

    return nn.Sequential(nn.Linear(columns, hidden), nn.ReLU(), nn.Linear(hidden, 1))
