"""How leakage depends on the size of the training set: a power law in people and in images a person.

arXiv 2402.06674 finds log(TPR − FPR), at a fixed FPR, linear in the logarithm of the number of examples a class. With
the number of people beside it: log10(TPR − FPR) = a + b · log10(people) + c · log10(images a person), least squares.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from faceleak.metrics.intervals import Interval
from faceleak.metrics.roc import FloatArray, MetricError

COLUMNS = ("people", "images_per_person", "advantage")


@dataclass(frozen=True)
class Prediction(Interval):
    """A predicted advantage and its interval, in 0…1; extrapolated: outside the sizes that were measured."""

    extrapolated: bool


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """A fitted line on log10 axes, with intervals of its coefficients at `level` (t distribution, degrees_of_freedom).

    intercept: log10 of the advantage at one person and one image; people and images_per_person: exponents, negative
    if a larger training set leaks less. residual_error: standard deviation of log10(advantage) around the line.
    """

    intercept: Interval
    people: Interval
    images_per_person: Interval
    residual_error: float
    degrees_of_freedom: int
    level: float
    measured_people: tuple[float, float]
    measured_images: tuple[float, float]
    inverse: FloatArray  # (3, 3), of XᵀX

    def predict(self, people: float, images_per_person: float) -> Prediction:
        """Predict the advantage (TPR − FPR) that a measurement at this size would give, with its interval, in 0…1.

        The interval holds the scatter of measurements and the uncertainty of the line, not the doubt whether the line
        goes on: `extrapolated` marks sizes outside the measured ranges. Raises MetricError for sizes that are not
        positive.
        """
        if not (people > 0 and images_per_person > 0):
            raise MetricError(f"{people} people with {images_per_person} images are no training set: give numbers > 0.")
        point = np.array([1.0, np.log10(people), np.log10(images_per_person)])
        center = float(point @ [self.intercept.value, self.people.value, self.images_per_person.value])
        error = self.residual_error * np.sqrt(1 + point @ self.inverse @ point)
        margin = stats.t.ppf((1 + self.level) / 2, self.degrees_of_freedom) * error
        value, low, high = (float(min(1.0, 10.0**exponent)) for exponent in (center, center - margin, center + margin))
        inside = (
            self.measured_people[0] <= people <= self.measured_people[1]
            and self.measured_images[0] <= images_per_person <= self.measured_images[1]
        )
        return Prediction(value, low, high, extrapolated=not inside)


def fit_power_law(table: pd.DataFrame, level: float = 0.95) -> PowerLaw:
    """Fit the law to one row a measurement: people and images_per_person (> 0), advantage (TPR − FPR, in 0…1).

    The rows count as independent and equally sure: several seeds a size show the scatter. Raises MetricError if a
    column is missing, there are fewer than four rows, a number has no logarithm (none is dropped: leaving out
    the sizes at which nothing was found would bend the line), or the sizes do not vary independently.
    """
    design, response = _logarithms(table)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ response
    degrees_of_freedom = len(table) - design.shape[1]
    residual_error = float(np.sqrt(((response - design @ coefficients) ** 2).sum() / degrees_of_freedom))
    margins = stats.t.ppf((1 + level) / 2, degrees_of_freedom) * residual_error * np.sqrt(np.diag(inverse))
    intercept, people, images = (
        Interval(float(value), float(value - margin), float(value + margin))
        for value, margin in zip(coefficients, margins, strict=True)
    )
    return PowerLaw(
        intercept,
        people,
        images,
        residual_error,
        degrees_of_freedom,
        level,
        (float(table["people"].min()), float(table["people"].max())),
        (float(table["images_per_person"].min()), float(table["images_per_person"].max())),
        inverse,
    )


def _logarithms(table: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Design matrix (rows, 3) and response (rows,), on log10 axes."""
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise MetricError(f"The table of sizes lacks {', '.join(missing)}. It needs the columns {', '.join(COLUMNS)}.")
    if len(table) < 4:
        raise MetricError(f"{len(table)} measurements do not show how well three numbers fit them: measure at least 4.")
    values = table[list(COLUMNS)].to_numpy(float)
    if unfit := int((~(np.isfinite(values) & (values > 0)).all(axis=1)).sum()):
        raise MetricError(
            f"{unfit} of {len(table)} measurements hold a number that is not above 0 and has no logarithm. Where "
            "TPR − FPR is not positive, measure at a higher false-positive rate or with more images."
        )
    logarithms = np.log10(values)
    design = np.column_stack([np.ones(len(values)), logarithms[:, :2]])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise MetricError(
            "The measured sizes do not tell people and images a person apart: one of them is constant, or both grow "
            "together. Vary each while the other stays."
        )
    return design, logarithms[:, 2]
