"""For each reconstruction, the image of one given person that resembles it most."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore


def nearest_images(
    store: FaceStore,
    people: pd.DataFrame,
    role: str,
    identities: pd.Series,
    embeddings: NDArray[np.float32],
    size: int | Canvas,
) -> NDArray[np.uint8]:
    """Pixels (n, height, width, 3): for row i the image of `identities[i]` in this role with the highest cosine.

    `people` has image_id, identity, role and embedding; `embeddings` (n, d) are the reconstructions'.
    """
    return nearest_photographs(store, people, role, identities, embeddings, size, 1)[:, 0]


def nearest_photographs(
    store: FaceStore,
    people: pd.DataFrame,
    role: str,
    identities: pd.Series,
    embeddings: NDArray[np.float32],
    size: int | Canvas,
    count: int,
) -> NDArray[np.uint8]:
    """The same with the `count` most similar images of each, first the most similar: (n, count, height, width, 3).

    Every one of `identities` has to have as many.
    """
    by_person = dict(tuple(people[people["role"] == role].groupby("identity")))
    chosen = []
    for identity, embedding in zip(identities, embeddings, strict=True):
        images = by_person[identity]
        candidates = np.stack(images["embedding"].to_list())
        cosines = candidates @ embedding / np.linalg.norm(candidates, axis=1)
        chosen += images["image_id"].iloc[np.argsort(-cosines, kind="stable")[:count]].to_list()
    return store.images(store.positions(chosen), size).reshape(-1, count, *Canvas.of(size).shape, 3)
