"""The attack model of stage 1 (arXiv 2401.13719): one fully connected layer and a sigmoid over a signal's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership.models.base import PlainData, best_threshold, folds_over_people, numbers

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LogisticModel(PlainData):
    """A fitted attack. Its score is the logit weightsᵀ·(x − mean)/scale + bias; higher says member.

    `threshold` is the score with the best balanced accuracy on the attacker's own data, by cross-validation over
    people.
    """

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float

    def score(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Score every row of `table` (any finite number; higher says member). Raises AttackColumnsError."""
        values = (numbers(table, self.columns) - np.array(self.mean)) / np.array(self.scale)
        scores: NDArray[np.float64] = values @ np.array(self.weights) + self.bias
        return scores

    def logit(self, rows: "Tensor") -> "Tensor":
        """Score (n, columns), differentiably: stage 2 maximizes it."""
        exact = rows.double()  # a column's mean may be far larger than its scale
        mean, scale, weights = (exact.new_tensor(values) for values in (self.mean, self.scale, self.weights))
        return (((exact - mean) / scale) @ weights + self.bias).to(rows.dtype)


MODEL = LogisticModel


def fit(
    table: pd.DataFrame, columns: Sequence[str], regularization: float, with_threshold: bool = True
) -> LogisticModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns.

    Members and non-members weigh the same in total. Without `with_threshold` nothing is cross-validated, and the
    threshold is NaN; the scores are the same. Raises AttackFitError if there are so few of them, or so few
    people, that cross-validation lacks a class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    is_member, threshold = table["is_member"].to_numpy(bool), float("nan")
    values = numbers(table, columns)
    classifier = LogisticRegression(C=regularization, class_weight="balanced", max_iter=5000)
    model = make_pipeline(StandardScaler(), classifier)
    with threadpool_limits(1, "blas"):  # the matrices are so small that threads make it thirty times slower
        if with_threshold:
            folds = folds_over_people(table)
            held_out = cross_val_predict(model, values, is_member, cv=folds, method="decision_function")
            threshold = best_threshold(held_out, is_member)
        model.fit(values, is_member)
    scaler = model[0]
    return LogisticModel(
        columns=tuple(columns),
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        weights=tuple(classifier.coef_[0].tolist()),
        bias=float(classifier.intercept_[0]),
        threshold=threshold,
    )
