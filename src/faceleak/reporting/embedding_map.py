"""A map of people as an evaluator tells them apart, with reconstructions among them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faceleak.metrics.matcher import Gallery
from faceleak.metrics.verification import normalize_rows
from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.labels import label_points
from faceleak.reporting.style import BLUE, GRAY, LIGHT_GRAY, ORANGE, SMALL, VERMILION, entitle, new_figure, shortened

MAP_COLUMNS = ("member_identity", "control_identity", "matches_member", "matches_control", "known")
MOST_PEOPLE = 500  # of each gallery
NAMED = 15
NOTE = "t-SNE of cosines: neighbors are alike; distances between groups, and directions, mean nothing"
PERPLEXITY = 15
SEED = 0

KINDS: dict[str, dict[str, Any]] = {
    "member": {"marker": "o", "edgecolors": VERMILION, "facecolors": "none", "s": 22, "linewidths": 0.8},
    "control person": {"marker": "s", "edgecolors": BLUE, "facecolors": "none", "s": 20, "linewidths": 0.8},
    "reconstruction that matches nobody": {"marker": "x", "color": GRAY, "s": 26, "linewidths": 1},
    "reconstruction that matches a control person": {"marker": "*", "color": BLUE, "s": 110},
    "reconstruction that matches a member whom the attacker knew": {"marker": "*", "color": ORANGE, "s": 110},
    "reconstruction that matches a member of whom the attacker had no image": {
        "marker": "*",
        "color": VERMILION,
        "s": 110,
    },
}


def embedding_map(
    reconstructions: NDArray[np.float32], members: Gallery, controls: Gallery, table: pd.DataFrame, evaluator: str
) -> Figure:
    """Draw the people's templates and reconstructions, embeddings (n, d) by this evaluator, on a plane (t-SNE, cosine).

    table, n rows: member_identity, control_identity, matches_member, matches_control, known (the attacker had images of
    that member). A line joins a reconstruction to the person whom it matches. Of more than 500 people of a gallery
    those whom reconstructions resemble are drawn, and others spread evenly. The same input gives the same picture.

    Raises ReportingError if there is no reconstruction or a column is missing.
    """
    check_columns(table, MAP_COLUMNS, "reconstructions")
    if len(table) != len(reconstructions):
        raise ReportingError(f"{len(reconstructions)} embeddings and {len(table)} rows do not belong together.")
    people = {
        who: _some(gallery, table[f"{who}_identity"]) for who, gallery in (("member", members), ("control", controls))
    }
    places = _plane(np.concatenate([people["member"].templates, people["control"].templates, reconstructions]))
    of_members, of_controls, of_faces = np.split(places, np.cumsum([len(people["member"]), len(people["control"])]))
    figure = new_figure(9, 9)
    axes = figure.subplots()
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    axes.set_xlabel(NOTE, fontsize=SMALL, color=GRAY, loc="left")
    entitle(figure, f"Where reconstructions lie among people, by the evaluator {evaluator}")
    by_kind = _by_kind(of_members, of_controls, of_faces, table)
    for kind, points in by_kind.items():
        axes.scatter(points[:, 0], points[:, 1], label=f"{kind} ({len(points)})", **KINDS[kind])
    centers = {
        who: dict(zip(gallery.identities.tolist(), at, strict=True))
        for (who, gallery), at in zip(people.items(), (of_members, of_controls), strict=True)
    }
    _join(axes, of_faces, centers, table)
    figure.legend(loc="outside lower left", ncols=2, fontsize=SMALL, frameon=False)
    _name_hits(axes, centers["member"], table, places)
    return figure


def _some(gallery: Gallery, nearest: pd.Series) -> Gallery:
    """One template a person; all of `nearest`, and of the others as many as there is room for."""
    spread = np.linspace(0, len(gallery) - 1, min(len(gallery), MOST_PEOPLE)).round().astype(int)
    wanted = np.flatnonzero(np.isin(gallery.identities, nearest.unique()))
    return gallery.only(np.union1d(spread, wanted))


def _plane(embeddings: NDArray[Any]) -> NDArray[np.float64]:
    """Embeddings (n, d) → (n, 2)."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(embeddings) - 1) / 3)
    reducer = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=SEED)
    plane: NDArray[np.float64] = reducer.fit_transform(normalize_rows(embeddings)).astype(np.float64)
    return plane


def _by_kind(
    members: NDArray[Any], controls: NDArray[Any], faces: NDArray[Any], table: pd.DataFrame
) -> dict[str, NDArray[Any]]:
    """Points of each of `KINDS`; a face that matches a member and a control is drawn as both."""
    member, control, known = (table[name].to_numpy(bool) for name in ("matches_member", "matches_control", "known"))
    chosen = (~member & ~control, control, member & known, member & ~known)
    points = [members, controls, *(faces[rows] for rows in chosen)]
    return dict(zip(KINDS, points, strict=True))


def _join(axes: Axes, faces: NDArray[Any], centers: Mapping[str, Mapping[Any, Any]], table: pd.DataFrame) -> None:
    for who, of_person in centers.items():
        matched = table[f"matches_{who}"].to_numpy(bool)
        for face, identity in zip(faces[matched], table.loc[matched, f"{who}_identity"], strict=True):
            axes.plot(*zip(face, of_person[identity], strict=True), color=LIGHT_GRAY, linewidth=0.8, zorder=0)


def _name_hits(axes: Axes, centers: Mapping[Any, Any], table: pd.DataFrame, obstacles: NDArray[np.float64]) -> None:
    """Write the names of the members that are found most often."""
    hits = table.loc[table["matches_member"].astype(bool), "member_identity"].value_counts().head(NAMED)
    if len(hits):
        names = [f"{shortened(str(name), 20)} ({count})" for name, count in hits.items()]
        label_points(axes, names, np.stack([centers[name] for name in hits.index]), obstacles)
