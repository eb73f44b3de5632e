"""Code that attack models share: the attacker's table, its people split for cross-validation, scaling, and plain data.

Columns are brought to mean 0 and scale 1 before they go into a network; fitted models are plain data for JSON and back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError

FOLDS = 5
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


class AttackFitError(FaceleakError):
    """The attacker's data does not suffice to fit an attack."""


class AttackColumnsError(FaceleakError):
    """An attack is asked about signals of another backbone than it was fitted on."""


def numbers(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """Read (n, columns) off a table, by name. Raises AttackColumnsError if it lacks one."""
    if missing := [column for column in columns if column not in table.columns]:
        raise AttackColumnsError(
            f"The attack was fitted on {len(columns)} numbers an image, of which this backbone lacks {len(missing)} "
            f"({missing[0]}, …): it has other layers than the backbone the attack was fitted on. Give "
            "membership.references.training the target's architecture, or take `shadow` out of "
            "membership.threat_models."
        )
    return table[list(columns)].to_numpy(np.float64)


def folds_over_people(table: pd.DataFrame) -> list[Fold]:
    """Rows to fit on and rows held out, no person in both. Raises AttackFitError if a fold would lack a class."""
    is_member = table["is_member"].to_numpy(bool)
    folds = _folds(is_member, table["identity"])
    if not folds:
        raise AttackFitError(
            f"The attacker has {int(is_member.sum())} member and {int((~is_member).sum())} non-member images of "
            f"{table['identity'].nunique()} people; an attack needs {FOLDS} of each at least, of so many people that "
            "it can be fitted without some of them. Raise faces.splits.known_share, or the number of people."
        )
    return folds


def balanced_weights(is_member: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weights (n,) with which members and non-members weigh the same in total, and 1 on average."""
    share = float(is_member.mean())
    weights: NDArray[np.float64] = np.where(is_member, 0.5 / share, 0.5 / (1 - share))
    return weights.astype(np.float32)


def _folds(is_member: NDArray[np.bool_], identities: pd.Series) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to fit on and rows held out, by people; none if a fold would be empty or fitted on one class."""
    from sklearn.model_selection import StratifiedGroupKFold

    if min(is_member.sum(), (~is_member).sum(), identities.nunique()) < FOLDS:
        return []
    folds = list(StratifiedGroupKFold(FOLDS).split(is_member, is_member, identities))
    sound = all(len(held_out) and 0 < is_member[fitted].mean() < 1 for fitted, held_out in folds)
    return folds if sound else []


def best_threshold(scores: NDArray[np.float64], is_member: NDArray[np.bool_]) -> float:
    """The score from which on calling everybody a member gives the best balanced accuracy."""
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, thresholds = roc_curve(is_member, scores)
    return float(thresholds[1:][np.argmax((true_positive_rate - false_positive_rate)[1:])])


@dataclass(frozen=True)
class Scaling:
    """Mean and scale > 0 of each column."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale (n, columns); in double precision, as a column's mean may be far larger than its scale."""
        scaled: NDArray[np.float64] = (values - np.array(self.mean)) / np.array(self.scale)
        return scaled.astype(np.float32)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Scaling":
        """The inverse of `dataclasses.asdict`."""
        return cls(tuple(content["mean"]), tuple(content["scale"]))


def scaling_of(values: NDArray[np.float64]) -> Scaling:
    """Mean and standard deviation of each column of (n, columns); scale 1 if a column is constant."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    return Scaling(tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))


@dataclass(frozen=True)
class PlainData:
    """What fitted models are: dataclasses of numbers, tuples and a `Scaling`."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{name: _restored(value) for name, value in content.items()})


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return Scaling.from_dict(value)
    return tuple(value) if isinstance(value, list) else value
