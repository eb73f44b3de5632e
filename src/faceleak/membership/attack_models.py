"""The attack model of stage 1 (arXiv 2401.13719): one fully connected layer and a sigmoid over a signal's numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.errors import FaceleakError

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 5


class AttackFitError(FaceleakError):
    """The attacker's data does not suffice to fit an attack."""


@dataclass(frozen=True)
class AttackModel:
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
        """Score every row of `table` (any finite number; higher says member)."""
        values = (table[list(self.columns)].to_numpy(np.float64) - np.array(self.mean)) / np.array(self.scale)
        scores: NDArray[np.float64] = values @ np.array(self.weights) + self.bias
        return scores

    def logit(self, rows: "Tensor") -> "Tensor":
        """Score (n, columns), differentiably: stage 2 climbs it."""
        mean, scale, weights = (rows.new_tensor(values) for values in (self.mean, self.scale, self.weights))
        return ((rows - mean) / scale) @ weights + self.bias

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "AttackModel":
        """The inverse of `to_dict`."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})


def fit_attack(table: pd.DataFrame, columns: Sequence[str], regularisation: float) -> AttackModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns.

    Members and non-members weigh the same in total. Raises AttackFitError without both, or with fewer than 5 people.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_member = table["is_member"].to_numpy(bool)
    people = table["identity"].nunique()
    if is_member.all() or not is_member.any() or people < FOLDS:
        raise AttackFitError(
            f"The attacker has {int(is_member.sum())} member and {int((~is_member).sum())} non-member images of "
            f"{people} people; an attack needs both, of at least {FOLDS} people. Raise faces.splits.known_share, or the "
            "number of people."
        )
    values = table[list(columns)].to_numpy(np.float64)
    classifier = LogisticRegression(C=regularisation, class_weight="balanced", max_iter=5000)
    model = make_pipeline(StandardScaler(), classifier)
    held_out = cross_val_predict(
        model, values, is_member, groups=table["identity"], cv=GroupKFold(FOLDS), method="decision_function"
    )
    model.fit(values, is_member)
    scaler = model[0]
    return AttackModel(
        columns=tuple(columns),
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        weights=tuple(classifier.coef_[0].tolist()),
        bias=float(classifier.intercept_[0]),
        threshold=_best_threshold(held_out, is_member),
    )


def _best_threshold(scores: NDArray[np.float64], is_member: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, thresholds = roc_curve(is_member, scores)
    return float(thresholds[1:][np.argmax((true_positive_rate - false_positive_rate)[1:])])
