"""A small convolutional network on a pooled activation map, as in MINT (arXiv 2402.09225)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership.models.base import AttackFitError, PlainData, Scaling, numbers

if TYPE_CHECKING:
    from torch import nn

SIZE = 4  # height and width of the map


@dataclass(frozen=True)
class CnnAttackModel(PlainData):
    """A fitted attack on a (channels, 4, 4) map, flattened into columns in C order. Its score is the logit.

    `parameters` are all weights and biases in torch's order. `threshold` is the score with the best balanced accuracy
    on the attacker's own data, by cross-validation over people.
    """

    columns: tuple[str, ...]
    scaling: Scaling
    channels: int
    parameters: tuple[float, ...]
    threshold: float

    def score(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Score every row of `table` (any finite number; higher says member). Raises AttackColumnsError."""
        from faceleak.membership.models.training import evaluate

        rows = self.scaling.apply(numbers(table, self.columns))
        return evaluate(partial(_network, self.channels), self.parameters, rows)[:, 0].astype(np.float64)


MODEL = CnnAttackModel


def fit(table: pd.DataFrame, columns: Sequence[str], seed: int = 0) -> CnnAttackModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns, 16 for each channel.

    Members and non-members weigh the same in total; training ends once people held out stop gaining. Raises
    AttackFitError if the columns are no such map, or if there are so few people that cross-validation lacks a
    class.
    """
    from faceleak.membership.models.training import Schedule, fit_classifier

    channels, rest = divmod(len(columns), SIZE * SIZE)
    if rest or not channels:
        raise AttackFitError(
            f"The signal has {len(columns)} columns, which is no map of {SIZE}×{SIZE} positions a channel, so a "
            "convolution has nothing to go over. Give the attack a signal that is such a map, or another model."
        )
    schedule = Schedule(epochs=20, patience=3, batch_size=64, seed=seed)
    scaling, parameters, threshold = fit_classifier(partial(_network, channels), table, columns, schedule)
    return CnnAttackModel(tuple(columns), scaling, channels, parameters, threshold)


def _network(channels: int) -> "nn.Module":
    """Mix the channels at each position, look at neighborhoods, keep the positions to the last layer."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (channels, SIZE, SIZE)),
        nn.Conv2d(channels, 16, 1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (SIZE // 2) ** 2, 1),
    )
