"""Similarity to the person's other images: FACE-AUDITOR (arXiv 2304.02782), and metric-embedding MI at the level of
the user (arXiv 2203.02077). ArcFace pulls the training images of a person together, and the others less so.

The attacker holds several images of the person and does not know which were trained on. An image is compared with at
most eight others, so the number of images tells nothing, and time and memory grow with the images of a person and not
with their square.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.signals.embedded import EmbeddedImages

ACCESS = "embeddings"
COMPANIONS = 8
COLUMNS = ("mean", "std", "smallest", "median", "largest")


def compare(embedded: EmbeddedImages) -> NDArray[np.float32]:
    """Read (n, 5): mean, standard deviation, smallest, median and largest cosine with the person's other images.

    An image is compared with the next images of the same person, at most `COMPANIONS`, cyclically in the order of the
    rows. An image without any gets zeros.
    """
    embeddings = embedded.embeddings
    result = np.zeros((len(embeddings), len(COLUMNS)), np.float32)
    for rows in pd.Series(range(len(embeddings))).groupby(embedded.identities).indices.values():
        if len(rows) > 1:
            result[rows] = _within(embeddings[rows])
    return result


def _within(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    number = len(embeddings)
    steps = range(1, min(COMPANIONS, number - 1) + 1)
    companions = (np.roll(embeddings, -step, axis=0) for step in steps)
    cosines = np.column_stack([np.einsum("nd,nd->n", embeddings, companion) for companion in companions])
    summaries = [cosines.mean(1), cosines.std(1), cosines.min(1), np.median(cosines, axis=1), cosines.max(1)]
    return np.column_stack(summaries).astype(np.float32)
