"""Quantile regression (QMIA, arXiv 2307.03694): how high an image's score would be if it were no member.

The distribution of the score given only numbers of the image is regressed on non-members, as a normal distribution
whose mean and scale a small network predicts (the paper's Gaussian head). No shadow or reference backbone is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership.models.base import (
    AttackFitError,
    PlainData,
    Scaling,
    best_threshold,
    folds_over_people,
    numbers,
    scaling_of,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class QuantileAttackModel(PlainData):
    """A fitted attack. Its score is (s − predicted mean) / predicted scale; higher says member.

    columns[0] is s, a score that is higher for members; the others are numbers of the image. `parameters` are all
    weights and biases in torch's order. `threshold` is the score with the best balanced accuracy on the attacker's own
    data, by cross-validation over people.
    """

    columns: tuple[str, ...]
    scaling: Scaling
    hidden: int
    parameters: tuple[float, ...]
    threshold: float

    def score(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Score every row of `table` (any finite number; higher says member). Raises AttackColumnsError."""
        from faceleak.membership.models.training import evaluate

        values = self.scaling.apply(numbers(table, self.columns))
        network = partial(_network, len(self.columns) - 1, self.hidden)
        return _above(values[:, 0], evaluate(network, self.parameters, values[:, 1:]))


MODEL = QuantileAttackModel
REGRESSES_A_SCORE = True


def fit(table: pd.DataFrame, columns: Sequence[str], hidden: int = 32, seed: int = 0) -> QuantileAttackModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns, the score first.

    Members only set the threshold. Training ends once non-members held out stop gaining. Raises AttackFitError without
    a second column, or if there are so few people that cross-validation lacks a class.
    """
    from faceleak.membership.models.training import Examples, Schedule, cross_fit, flat, gaussian

    if len(columns) < 2:
        raise AttackFitError(
            f"Quantile regression predicts a score from other numbers of the image, and there are {len(columns)} "
            "columns in all. Name the score first and at least one number of the image after it."
        )
    folds, is_member = folds_over_people(table), table["is_member"].to_numpy(bool)
    values = numbers(table, columns)
    scaling = scaling_of(values[~is_member])
    scaled = scaling.apply(values)
    examples = Examples(np.ascontiguousarray(scaled[:, 1:]), scaled[:, 0].copy(), (~is_member).astype(np.float32))
    network, held_out = cross_fit(
        partial(_network, len(columns) - 1, hidden),
        gaussian,
        examples,
        folds,
        Schedule(epochs=100, patience=10, learning_rate=2e-3, seed=seed),
    )
    threshold = best_threshold(_above(scaled[:, 0], held_out), is_member)
    return QuantileAttackModel(tuple(columns), scaling, hidden, flat(network), threshold)


def _above(scores: NDArray[np.float32], predicted: NDArray[np.float32]) -> NDArray[np.float64]:
    from faceleak.membership.models.training import LOG_SCALES

    mean, log_scale = predicted.astype(np.float64).T
    above: NDArray[np.float64] = (scores - mean) / np.exp(np.clip(log_scale, *LOG_SCALES))
    return above


def _network(features: int, hidden: int) -> "nn.Module":
    from torch import nn

    return nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, 2))
