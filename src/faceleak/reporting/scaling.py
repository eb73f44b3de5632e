"""How leakage changes with the size of the training set, up to the size that the user has."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from faceleak.metrics.intervals import Interval
from faceleak.metrics.scaling import COLUMNS, PowerLaw, Prediction
from faceleak.reporting.checks import check_columns
from faceleak.reporting.style import (
    BLACK,
    GRAY,
    LABEL,
    LIGHT_GRAY,
    MARKERS,
    PALETTE,
    SMALL,
    entitle,
    in_turn,
    new_figure,
    tidy,
)

DASHES = (0, (4, 3))
LOWEST = 1e-4  # for the sake of an interval alone, the axis goes no lower


def scaling_figure(table: pd.DataFrame, law: PowerLaw, people: float, images_per_person: float) -> Figure:
    """Draw the advantage over the number of people, on log axes: measured, fitted, and predicted for one size.

    table: people, images_per_person and advantage (TPR − FPR at a fixed FPR, in 0…1), a row a measurement, as
    `fit_power_law` takes it, and ci_low and ci_high if intervals are known. law: fitted to it. people and
    images_per_person: the size of the user's training set, for which the law predicts.

    Raises ReportingError if a column or all rows are missing, MetricError for sizes that are not positive.
    """
    check_columns(table, COLUMNS, "sizes")
    prediction = law.predict(people, images_per_person)
    figure = new_figure(9.2, 5.6)
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", ylim=_limits(table, prediction))
    if prediction.extrapolated:
        axes.axvspan(
            *law.measured_people, color=LIGHT_GRAY, alpha=0.3, linewidth=0, zorder=0, label="range of people measured"
        )
    for place, images in enumerate(np.unique(table["images_per_person"].to_numpy(float))):
        rows = table[table["images_per_person"] == images]
        look = {"color": in_turn(PALETTE[:-1], place), "marker": in_turn(MARKERS, place)}
        _draw_measured(axes, rows, f"{images:g} images a person, measured", look)
        _draw_law(axes, law, law.measured_people, images, look["color"])
    axes.plot([], [], color=GRAY, linestyle=DASHES, linewidth=1.3, label="fitted power law")
    if prediction.extrapolated:
        _draw_law(axes, law, _up_to(people, law.measured_people), images_per_person, BLACK)
    _draw_prediction(axes, prediction, people, images_per_person, falling=law.people.value < 0)
    tidy(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.6g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("People in the training set", fontsize=LABEL)
    axes.set_ylabel("Advantage: TPR − FPR at a fixed FPR", fontsize=LABEL)
    exponents = f"people {_with_interval(law.people)}, images a person {_with_interval(law.images_per_person)}"
    axes.set_title(f"Exponents: {exponents}", fontsize=LABEL, loc="left")
    figure.legend(loc="outside right upper", fontsize=SMALL, frameon=False)
    entitle(figure, "Does a larger training set leak less?")
    return figure


def _limits(table: pd.DataFrame, prediction: Prediction) -> tuple[float, float]:
    """Limits of the advantage, around everything that is drawn."""
    values = [*table["advantage"], prediction.value]
    bounds = [prediction.low, prediction.high]
    if "ci_low" in table.columns:
        bounds += [*table["ci_low"], *table["ci_high"]]
    lowest = min(*values, max(float(np.nanmin(bounds)), LOWEST))
    return lowest / 1.3, min(float(np.nanmax(values + bounds)) * 1.3, 1.1)


def _draw_measured(axes: Axes, rows: pd.DataFrame, name: str, look: dict[str, Any]) -> None:
    """Draw the points, a line through the geometric mean of each size, and intervals if they are known."""
    means = np.exp(np.log(rows["advantage"]).groupby(rows["people"]).mean())
    axes.plot(means.index, means, color=look["color"], linewidth=1.2)
    axes.plot(rows["people"], rows["advantage"], markersize=5.5, linestyle="none", label=name, **look)
    if "ci_low" in rows.columns:
        low = rows["ci_low"].clip(lower=axes.get_ylim()[0])
        axes.vlines(rows["people"], low, rows["ci_high"], color=look["color"], linewidth=1, alpha=0.6)


def _draw_law(axes: Axes, law: PowerLaw, between: tuple[float, float], images: float, color: str) -> None:
    people = np.geomspace(*between, 50)
    fitted = [law.predict(float(number), images).value for number in people]
    axes.plot(people, fitted, color=color, linestyle=DASHES, linewidth=1.3)


def _up_to(people: float, measured: tuple[float, float]) -> tuple[float, float]:
    """From the measured end that is further away."""
    return measured[1] if people < measured[0] else measured[0], people


def _draw_prediction(axes: Axes, prediction: Prediction, people: float, images: float, *, falling: bool) -> None:
    """Draw a hollow mark with its interval, and beside it, off the line that leads there, what it is."""
    kind = "extrapolated" if prediction.extrapolated else "predicted"
    low = max(prediction.low, axes.get_ylim()[0])
    axes.vlines(people, low, prediction.high, color=BLACK, linewidth=1.4, zorder=3)
    label = f"{kind}: {people:,g} people,\n{images:g} images a person:\n{_with_interval(prediction, '.3f')}"
    look: dict[str, Any] = {"color": BLACK, "markerfacecolor": "white", "markersize": 9, "zorder": 4}
    axes.plot(people, prediction.value, "o", label=label, **look)
    axes.annotate(
        kind,
        (people, prediction.value),
        (-9, -9 if falling else 9),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="top" if falling else "bottom",
        fontsize=SMALL,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
    )


def _with_interval(interval: Interval, form: str = "+.2f") -> str:
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
