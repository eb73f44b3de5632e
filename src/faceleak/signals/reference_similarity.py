"""Similarity to the person's other images: FACE-AUDITOR (arXiv 2304.02782), and metric-embedding MI at the level of
the user (arXiv 2203.02077). ArcFace pulls the training images of a person together, and the others less so.

The attacker holds several images of the person and does not know which were trained on. All images are compared with
equally many others, so the number of a person's images tells nothing, and at most with eight, so time and memory grow
with the images of a person and not with their square.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.signals import EmbeddedImages

ACCESS = "embeddings"
COMPANIONS = 8
COLUMNS = ("mean", "std", "smallest", "median", "largest")


def compare(embedded: EmbeddedImages) -> NDArray[np.float32]:
    """Read (n, 5): mean, standard deviation, smallest, median and largest cosine with the person's other images.

    An image is compared with the next images of the same person, cyclically in the order of the rows: with
    `COMPANIONS`, or as many as the person with the fewest images (two or more) has others. An image without any gets
    zeros.
    """
    embeddings = embedded.embeddings
    result = np.zeros((len(embeddings), len(COLUMNS)), np.float32)
    people = pd.Series(range(len(embeddings))).groupby(embedded.identities).indices.values()
    several = [rows for rows in people if len(rows) > 1]
    companions = min([COMPANIONS, *(len(rows) - 1 for rows in several)])
    for rows in several:
        result[rows] = _within(embeddings[rows], companions)
    return result


def _within(embeddings: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    companions = (np.roll(embeddings, -step, axis=0) for step in range(1, number + 1))
    cosines = np.column_stack([np.einsum("nd,nd->n", embeddings, companion) for companion in companions])
    summaries = [cosines.mean(1), cosines.std(1), cosines.min(1), np.median(cosines, axis=1), cosines.max(1)]
    return np.column_stack(summaries).astype(np.float32)
