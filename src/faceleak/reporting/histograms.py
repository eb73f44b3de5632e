"""Distances of single layers: how far members, other images of theirs and non-members lie apart."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from faceleak.common.words import counted
from faceleak.membership.attackers import VIEW, views_of
from faceleak.metrics.membership import MEMBER, POPULATIONS
from faceleak.metrics.roc import auc
from faceleak.reporting.checks import ReportingError, check_columns, only_value
from faceleak.reporting.style import (
    GRAY,
    LABEL,
    ROLE_COLORS,
    ROLE_MEANINGS,
    SMALL,
    entitle,
    new_figure,
    shortened,
    tidy,
)
from faceleak.signals.columns import Column, columns_of

DISTANCE = "bn_distance"
ACROSS = 4
ROLE_DASHES = {"member": "-", "same_identity": (0, (5, 2)), "unseen_identity": (0, (1.5, 1.5))}


def distance_histograms(
    signals: pd.DataFrame, splits: pd.DataFrame, signal: str = DISTANCE, maximum_layers: int = 12
) -> Figure:
    """Draw a panel a layer, of images that no attacker knows: density over the distance, medians, AUC of the layer.

    signals: variant and bypass (those of one view), image_id, and a column `<signal>.<layer>` ≥ 0 for each layer, in
    order of the layers. splits: image_id, role and known. The AUC is that of the rule "smaller says member", members
    against one population. Of more than `maximum_layers` layers, evenly chosen ones are shown, first and last among
    them. Densities are per factor of ten, as the axis is logarithmic; a distance of 0 is drawn at the layer's smallest
    other one.

    Raises ReportingError if columns are missing, views are mixed or a distance is negative or not finite;
    MetricError if there are no members.
    """
    columns = columns_of(signal, signals)
    if not columns:
        raise ReportingError(f"The signals have no column of `{signal}`. Read this signal, or name another one.")
    check_columns(signals, [*VIEW, "image_id"], "signals")
    check_columns(splits, ["image_id", "role", "known"], "splits")
    view = only_value(pd.DataFrame({"view": [view.name for view in views_of(signals)]}), "view", "signals")
    unknown = splits.loc[~splits["known"], ["image_id", "role"]]
    rows = signals.merge(unknown, on="image_id", validate="one_to_one")
    _check_distances(rows[columns].to_numpy(float), signal)

    shown = _evenly(columns, maximum_layers)
    across = min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    figure = new_figure(max(7.5, 3.1 * across), 1.3 + 2.2 * down)
    grid = figure.subplots(down, across, squeeze=False)
    for axes, column in zip(grid.flat, shown, strict=False):
        of_role = {str(role): values.to_numpy(float) for role, values in rows.groupby("role")[column]}
        _draw_layer(axes, {role: of_role[role] for role in ROLE_DASHES if role in of_role})
        axes.set_title(f"{shortened(Column.parse(column).own, 36)}\n{_auc_of(of_role)}", fontsize=SMALL)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(0, len(shown) - across) : len(shown)]:
        axes.set_xlabel(f"{signal} (log scale)", fontsize=SMALL)
    figure.supylabel("density per factor of ten", fontsize=LABEL)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    columns_of_legend = len(handles) if across > 2 else 1
    figure.legend(handles, labels, loc="outside lower center", ncols=columns_of_legend, fontsize=SMALL, frameon=False)
    which = f"{len(shown)} of {len(columns)} layers" if len(shown) < len(columns) else counted(len(columns), "layer")
    entitle(figure, f"{signal} on “{view}”: are members closer? AUC of each layer alone, {which}")
    return figure


def without_distances(signal: str) -> Figure:
    """Say, in the place of `distance_histograms`, that no attack reads the signal."""
    figure = new_figure(7.5, 1.3)
    entitle(figure, f"No attack of this audit reads `{signal}`, so there are no distances to show.")
    return figure


def _evenly(columns: list[str], count: int) -> list[str]:
    places = np.linspace(0, len(columns) - 1, min(count, len(columns))).round().astype(int)
    return [columns[place] for place in places]


def _check_distances(distances: NDArray[np.float64], signal: str) -> None:
    if broken := int((~np.isfinite(distances) | (distances < 0)).sum()):
        raise ReportingError(
            f"{broken} of {distances.size} values of `{signal}` are negative or not finite, so they are no distances "
            "and have no place on a logarithmic axis. Show a signal of distances, or look for failed images."
        )


def _auc_of(of_role: dict[str, NDArray[np.float64]]) -> str:
    members = of_role.get(MEMBER, np.empty(0))
    parts = []
    for population in POPULATIONS:
        if population in of_role:
            distances = np.concatenate([members, of_role[population]])
            is_member = np.arange(len(distances)) < len(members)
            parts.append(f"{population.removesuffix('_identity')} {auc(-distances, is_member):.2f}")  # smaller: member
    return f"AUC {', '.join(parts)}"


def _draw_layer(axes: Axes, of_role: dict[str, NDArray[np.float64]]) -> None:
    distances = np.concatenate(list(of_role.values()))
    smallest = distances[distances > 0].min() if distances.any() else 1.0
    edges = _edges(np.log10(smallest), np.log10(max(distances.max(), smallest)), min(map(len, of_role.values())))
    for role, values in of_role.items():
        drawn = np.maximum(values, smallest)
        density, _ = np.histogram(np.log10(drawn), edges, density=True)
        color = ROLE_COLORS[role]
        if role == MEMBER:
            axes.stairs(density, 10**edges, color=color, alpha=0.15, fill=True)
        name = f"{role}: {ROLE_MEANINGS[role]}"
        axes.stairs(density, 10**edges, color=color, linestyle=ROLE_DASHES[role], linewidth=1.4, label=name)
        axes.plot(np.median(drawn), 0, "^", color=color, markersize=7, clip_on=False, zorder=3)
    axes.plot([], [], "^", color=GRAY, markersize=7, label="median")
    axes.set(xscale="log", ylim=(0, None))
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelleft=False, left=False)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(edges[0], edges[-1])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda distance, _: f"{distance:.4g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _edges(low: float, high: float, images: int) -> NDArray[np.float64]:
    """Edges of bins between two decimal logarithms, the more bins the more images the smallest group has."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, int(np.clip(np.sqrt(images), 8, 40)) + 1)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between two decimal logarithms, or three others if it holds no three round ones."""
    decades = 10.0 ** np.arange(np.floor(low), np.ceil(high) + 1)
    for steps in ([1], [1, 3], [1, 2, 5], list(range(1, 10))):
        candidates = np.outer(decades, steps).ravel()
        ticks = candidates[(candidates >= 10**low) & (candidates <= 10**high)]
        if len(ticks) >= 3:
            return [float(tick) for tick in ticks[:: -(-len(ticks) // 6)]]
    return [float(tick) for tick in 10 ** np.linspace(low, high, 3)]
