"""Columns brought to mean 0 and scale 1 before they go into a network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    """Mean and standard deviation of each column of (n, columns); scale 1 where a column is constant."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    return Scaling(tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))
