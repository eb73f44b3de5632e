"""What people look at of the `targeted` pipeline."""

import pandas as pd

from faceleak.auditing.kinds import Figure
from faceleak.common.trees import Metrics
from faceleak.faces.canvas import Canvas
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.pipelines.targeted.nodes import KINDS
from faceleak.reconstruction.arrays import Array, MethodArray

SHOWN = 3  # people of each kind


def draw_targeted(
    inversions: dict[MethodArray, Array],
    templates: pd.DataFrame,
    person_faces: dict[MethodArray, Array],
    person_images: pd.DataFrame,
    targeted_metrics: Metrics,
    person_image_metrics: Metrics,
    splits: pd.DataFrame,
    store: FaceStore,
) -> Figure:
    """The first people of each kind, beside what was made of their embedding or image, and how often it succeeds."""
    from faceleak.reconstruction.person_image import METHODS as SEARCHES
    from faceleak.reconstruction.template_inversion import METHODS
    from faceleak.reporting.formats import PERSONS, TEMPLATES
    from faceleak.reporting.galleries import Faces, targeted_faces
    from faceleak.reporting.style import words

    of_templates = _first(templates)
    parts = []
    if len(of_templates):
        size = _undistorted(inversions[MethodArray(METHODS[0], "pixels")])
        rates = targeted_metrics[UNDEFENDED]["targeted"]
        columns = {"its image": _photos(store, of_templates["template_image"], size)}
        columns |= {words(name): inversions[MethodArray(name, "pixels")][of_templates.index] for name in METHODS}
        columns |= {"another image": _photos(store, of_templates["other_image"], size)}
        shares = {words(name): {kind: rates[name][kind]["type_1_success_rate"] for kind in KINDS} for name in METHODS}
        parts.append(Faces(TEMPLATES, columns, of_templates["kind"].tolist(), shares))
    of_images = _first(person_images)
    if len(of_images):
        size = _undistorted(person_faces[MethodArray(SEARCHES[0], "pixels")])
        rates = person_image_metrics[UNDEFENDED]["person_image"]
        columns = {"given image": _photos(store, of_images["given_image"], size)}
        columns |= {words(name): person_faces[MethodArray(name, "pixels")][of_images.index] for name in SEARCHES}
        columns |= {"a photo": _photos(store, _compared(of_images, splits), size)}
        shares = {words(name): {kind: rates[name][kind]["match_rate"] for kind in KINDS} for name in SEARCHES}
        parts.append(Faces(PERSONS, columns, of_images["kind"].tolist(), shares))
    return targeted_faces(parts)


def _first(table: pd.DataFrame) -> pd.DataFrame:
    """The first people of each kind; the index says in which row of the faces they are."""
    return table[table.groupby("kind").cumcount() < SHOWN]


def _compared(given: pd.DataFrame, splits: pd.DataFrame) -> pd.Series:
    """An image of each person that faces are compared with: a training photo of members, another one of non-members."""
    others = with_role(splits, "member", KINDS["non_members"]).sort_values("image_id")
    others = others[~others["image_id"].isin(given["given_image"])]
    return given["identity"].map(others.groupby("identity")["image_id"].first())


def _undistorted(pixels: Array) -> Canvas:
    return Canvas(pixels.shape[1], pixels.shape[2], "pad")


def _photos(store: FaceStore, image_ids: pd.Series, size: Canvas) -> Array:
    return store.images(store.positions(image_ids), size)
