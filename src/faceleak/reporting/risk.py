"""The worst case, for the owner of the data: the people at highest risk, and whether the risks are calibrated."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray
from scipy import stats

from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.formats import power_of_ten
from faceleak.reporting.galleries import MARGIN, Pixels, draw_face, face_canvas, write
from faceleak.reporting.style import (
    BLACK,
    BLUE,
    GRAY,
    LABEL,
    SMALL,
    VERMILION,
    entitle,
    new_figure,
    shortened,
    tidy,
)

FloatArray = NDArray[np.float64]

COLUMNS = ("identity", "p_value", "q_value", "rank")
SIGNIFICANT = 0.05  # q_value: the expected share of wrong ones among all up to it
ACROSS, DOWN = 8, 5
GROUP_WIDTH, GROUP_HEIGHT = 1.3, 1.85  # in faces
TOP = 1.25
SMALLEST_SHOWN = 1e-99
CONFIDENCE = 0.95
STEPS = 400  # of a curve


def risk_figure(table: pd.DataFrame, pixels: Pixels) -> Figure:
    """Show the images, or people, that targets remember best, framed if the evidence is significant.

    table: as `risk_table` gives it, most exposed first, a row an image or a person. pixels: RGB
    (n, height, width, 3) of the first n rows, 1 ≤ n ≤ rows; of more than 40, the first are shown.

    Raises ReportingError if a column or all rows are missing, or there are more or no pixels than rows.
    """
    check_columns(table, COLUMNS, "risks")
    if not 0 < len(pixels) <= len(table):
        raise ReportingError(
            f"There are {len(pixels)} images, but {len(table)} rows of risks: hand in one image of each of the first "
            "rows, in their order."
        )
    units = "images" if "image_id" in table.columns else "people"
    shown = table.head(min(len(pixels), ACROSS * DOWN))
    down = -(-len(shown) // ACROSS)
    significant = int((table["q_value"] <= SIGNIFICANT).sum())
    title = f"The worst case: {significant:,} of {len(table):,} {units} stand out significantly (q ≤ {SIGNIFICANT})"
    figure, axes = face_canvas(ACROSS * GROUP_WIDTH + MARGIN, TOP + down * GROUP_HEIGHT, title)
    explained = (
        f"The {len(shown):,} at highest risk, framed where q ≤ {SIGNIFICANT}: of all {units} up to there, about "
        f"{100 * SIGNIFICANT:.0f} % are expected to be there by chance.",
        "p: the own false-positive rate: how often evidence as strong occurs if no target ever saw the person. "
        f"q: p, corrected for {len(table):,} {units}.",
    )
    for place, text in enumerate(explained):
        write(axes, text, MARGIN, 0.65 + 0.22 * place, color=GRAY)
    for place, (row, image) in enumerate(zip(shown.to_dict("records"), pixels, strict=False)):
        x, y = MARGIN + (place % ACROSS) * GROUP_WIDTH, TOP + (place // ACROSS) * GROUP_HEIGHT
        frame = {"edgecolor": VERMILION} if row["q_value"] <= SIGNIFICANT else None
        draw_face(axes, image, x, y, frame)
        write(axes, f"#{row['rank']:.0f}", x, y + 1.17, fontweight="bold")
        write(axes, f"p {_probability(row['p_value'])}", x, y + 1.33)
        write(axes, f"q {_probability(row['q_value'])}", x, y + 1.48)
        write(axes, shortened(str(row["identity"]), 16), x, y + 1.63, color=GRAY, fontsize=SMALL - 1.5)
    return figure


def risk_histogram(p_values_members: FloatArray, p_values_non_members: FloatArray) -> Figure:
    """Draw the share of p-values up to x: on the diagonal for non-members if the risks are calibrated.

    Both (n,), in 0…1, a value a target and image. The band around the non-members' curve is Clopper-Pearson's, as if
    values were independent, which makes it rather narrow. Axes begin at half of the share that one value makes.

    Raises ReportingError where one of the two is empty or a value lies outside 0…1.
    """
    for name, values in (("members", p_values_members), ("non-members", p_values_non_members)):
        if not len(values) or not ((values >= 0) & (values <= 1)).all():
            raise ReportingError(
                f"The {len(values)} p-values of {name} are none, or some lie outside 0…1, so no share of them can be "
                "shown. Calibrate the scores of both members and non-members."
            )
    number = len(p_values_non_members)
    x = np.geomspace(1 / (2 * number), 1, STEPS)
    hits = np.searchsorted(np.sort(p_values_non_members), x, side="right")
    members = np.searchsorted(np.sort(p_values_members), x, side="right") / len(p_values_members)
    low, high = _clopper_pearson(hits, number)
    bottom = min(1 / (2 * number), 1 / (2 * len(p_values_members)))
    figure = new_figure(6.6, 6.2)
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", xlim=(x[0], 1), ylim=(bottom, 1))
    steps: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1.8}
    label = _named("members", p_values_members)
    axes.plot(x, np.maximum(members, bottom), color=VERMILION, label=label, **steps)
    label = _named("non-members", p_values_non_members)
    dashed: dict[str, Any] = {"color": BLUE, "linestyle": (0, (5, 1.5)), **steps}
    axes.plot(x, np.maximum(hits / number, bottom), label=label, **dashed)
    label = f"{100 * CONFIDENCE:.0f} % interval of the non-members' share"
    band: dict[str, Any] = {"color": BLUE, "alpha": 0.2, "linewidth": 0, "step": "post"}
    axes.fill_between(x, np.maximum(low, bottom), high, label=label, **band)
    axes.plot(
        [bottom, 1],
        [bottom, 1],
        color=BLACK,
        linewidth=0.8,
        linestyle=":",
        label="calibrated: a share p of non-members",
    )
    tidy(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g} %"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("p: the record's own false-positive rate", fontsize=LABEL)
    axes.set_ylabel("Share of records with a p that is no higher", fontsize=LABEL)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    entitle(figure, "Can the risks be believed? False alarms against what is claimed")
    return figure


def _probability(value: float) -> str:
    """Two digits: 0.034, 1.2·10⁻⁷."""
    if value < SMALLEST_SHOWN:
        return f"< {_probability(SMALLEST_SHOWN)}"
    return f"{value:.2g}" if value >= 0.001 else power_of_ten(value)


def _clopper_pearson(hits: NDArray[np.intp], number: int) -> tuple[FloatArray, FloatArray]:
    """Bounds (n,) of shares, of so many hits (n,) in `number`."""
    tail = (1 - CONFIDENCE) / 2
    low = np.where(hits > 0, stats.beta.ppf(tail, np.maximum(hits, 1), number - hits + 1), 0.0)
    high = np.where(hits < number, stats.beta.ppf(1 - tail, hits + 1, np.maximum(number - hits, 1)), 1.0)
    return low, high


def _named(name: str, values: FloatArray) -> str:
    return f"{name}: {100 * (values <= 0.01).mean():.1f} % of {len(values):,} have p ≤ 1 %"
