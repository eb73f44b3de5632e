"""Whether a generator copies its training images: distances to the nearest one, compared with those of non-members.

Real faces of people that the generator never saw tell how near a face comes to some training image anyway.
"""

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.roc import FloatArray, MetricError
from faceleak.metrics.verification import IndexArray, normalize_rows

CELLS_PER_BLOCK = 4_000_000
COPY_QUANTILE = 0.01


def nearest_rows(features: FloatArray, reference: FloatArray) -> tuple[IndexArray, NDArray[np.float64]]:
    """Find the nearest row of `reference` (m, d) for each of `features` (n, d): its index, and 1 − cosine in 0…2.

    Memory grows with n + m, not with their product. Raises MetricError if a row has no direction.
    """
    unit, candidates = normalize_rows(features), normalize_rows(reference)
    rows = max(1, CELLS_PER_BLOCK // max(1, len(candidates)))
    indices, distances = np.empty(len(unit), np.intp), np.empty(len(unit))
    for start in range(0, len(unit), rows):
        block = slice(start, start + rows)
        similarity = unit[block] @ candidates.T
        indices[block] = similarity.argmax(1)
        distances[block] = 1 - similarity.max(1)
    return indices, distances


def measure_copying(samples: FloatArray, held_out: FloatArray) -> dict[str, float]:
    """Compare nearest distances of `samples` (n,) and of `held_out` real faces (m,) to the same training images.

    Returns `nearest_training_distance` and `nearest_training_distance_held_out` (medians, 1 − cosine), and
    `copied_share` in 0…1: the share of samples that are nearer to a training image than 99 % of the held-out faces.
    0.01 is what faces of other people would give; a generator that repeats its training images approaches 1.
    Raises MetricError if one side is empty.
    """
    if not len(samples) or not len(held_out):
        raise MetricError(
            f"{len(samples)} samples and {len(held_out)} held-out faces: without one of the two there is nothing to "
            "compare. Raise prior.held_out_share or prior.training.samples."
        )
    return {
        "nearest_training_distance": float(np.median(samples)),
        "nearest_training_distance_held_out": float(np.median(held_out)),
        "copied_share": float((samples < np.quantile(held_out, COPY_QUANTILE)).mean()),
    }
