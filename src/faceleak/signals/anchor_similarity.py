"""ASSD (arXiv 2211.15918): how an image's similarities to a fixed set of anchor images are distributed.

The anchors are faces of the `public` role, people whom the target never saw. A person whom the backbone was trained
on lies apart from non-members; a non-member lies among them.
"""

import numpy as np
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError
from faceleak.signals import EmbeddedImages

ACCESS = "embeddings"
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
COLUMNS = ("mean", "std", *(f"quantile_{quantile}" for quantile in QUANTILES))
ROWS = 4096


class NoAnchorsError(FaceleakError):
    """There are no anchors to compare with."""


def compare(embedded: EmbeddedImages) -> NDArray[np.float32]:
    """Read (n, 11): mean, standard deviation and quantiles of the cosines with the m anchors.

    Raises NoAnchorsError if m is 0.
    """
    embeddings, anchors = embedded.embeddings, embedded.anchors
    if not len(anchors):
        raise NoAnchorsError(
            "`anchor_similarity` compares faces with those of the role `public`, and there are none: a distribution "
            "over nothing says nothing. Give people to that role in parameters_faces.yml, or leave the signal out."
        )
    blocks = [_summarize(embeddings[start : start + ROWS] @ anchors.T) for start in range(0, len(embeddings), ROWS)]
    return np.concatenate(blocks)


def _summarize(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    summaries = np.column_stack([cosines.mean(1), cosines.std(1), _quantiles(cosines)])
    return summaries.astype(np.float32)


def _quantiles(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """As `np.quantile` by rows, which takes 2 to 15 times as long."""
    ordered = np.sort(cosines, axis=1)
    places = np.array(QUANTILES) * (cosines.shape[1] - 1)
    below, above = np.floor(places).astype(int), np.ceil(places).astype(int)
    quantiles: NDArray[np.float64] = ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (places - below)
    return quantiles
