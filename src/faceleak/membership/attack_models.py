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


class AttackColumnsError(FaceleakError):
    """An attack is asked about signals of another backbone than it was fitted on."""


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
        """Score every row of `table` (any finite number; higher says member). Raises AttackColumnsError."""
        if missing := [column for column in self.columns if column not in table.columns]:
            raise AttackColumnsError(
                f"The attack was fitted on {len(self.columns)} numbers an image, of which this backbone lacks "
                f"{len(missing)} ({missing[0]}, …): it has other layers than the backbone the attack was fitted on. "
                "Give membership.references.training the target's architecture, or take `shadow` out of "
                "membership.threat_models."
            )
        values = (table[list(self.columns)].to_numpy(np.float64) - np.array(self.mean)) / np.array(self.scale)
        scores: NDArray[np.float64] = values @ np.array(self.weights) + self.bias
        return scores

    def logit(self, rows: "Tensor") -> "Tensor":
        """Score (n, columns), differentiably: stage 2 climbs it."""
        exact = rows.double()  # a column's mean may be far larger than its scale
        mean, scale, weights = (exact.new_tensor(values) for values in (self.mean, self.scale, self.weights))
        return (((exact - mean) / scale) @ weights + self.bias).to(rows.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "AttackModel":
        """The inverse of `to_dict`."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**fields)


def fit_attack(table: pd.DataFrame, columns: Sequence[str], regularisation: float) -> AttackModel:
    """Fit on the attacker's own data: `table` has `identity`, `is_member` and the columns.

    Members and non-members weigh the same in total. Raises AttackFitError where there are so few of them, or so few
    people, that cross-validation lacks a class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    is_member = table["is_member"].to_numpy(bool)
    folds = _folds(is_member, table["identity"])
    if not folds:
        raise AttackFitError(
            f"The attacker has {int(is_member.sum())} member and {int((~is_member).sum())} non-member images of "
            f"{table['identity'].nunique()} people; an attack needs {FOLDS} of each at least, of so many people that "
            "it can be fitted without some of them. Raise faces.splits.known_share, or the number of people."
        )
    values = table[list(columns)].to_numpy(np.float64)
    classifier = LogisticRegression(C=regularisation, class_weight="balanced", max_iter=5000)
    model = make_pipeline(StandardScaler(), classifier)
    with threadpool_limits(1, "blas"):  # the matrices are so small that threads make it thirty times slower
        held_out = cross_val_predict(model, values, is_member, cv=folds, method="decision_function")
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


def _folds(is_member: NDArray[np.bool_], identities: pd.Series) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to fit on and rows held out, by people; none where a fold would be empty or fitted on one class."""
    from sklearn.model_selection import StratifiedGroupKFold

    if min(is_member.sum(), (~is_member).sum(), identities.nunique()) < FOLDS:
        return []
    folds = list(StratifiedGroupKFold(FOLDS).split(is_member, is_member, identities))
    sound = all(len(held_out) and 0 < is_member[fitted].mean() < 1 for fitted, held_out in folds)
    return folds if sound else []


def _best_threshold(scores: NDArray[np.float64], is_member: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, thresholds = roc_curve(is_member, scores)
    return float(thresholds[1:][np.argmax((true_positive_rate - false_positive_rate)[1:])])
