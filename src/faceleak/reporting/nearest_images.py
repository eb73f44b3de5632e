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
    by_person = dict(tuple(people[people["role"] == role].groupby("identity")))
    chosen = []
    for identity, embedding in zip(identities, embeddings, strict=True):
        images = by_person[identity]
        candidates = np.stack(images["embedding"].to_list())
        cosines = candidates @ embedding / np.linalg.norm(candidates, axis=1)
        chosen.append(images["image_id"].iloc[int(np.argmax(cosines))])
    return store.images(store.positions(chosen), size)
