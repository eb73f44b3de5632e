"""Whether the images of a store can still be read: by hash if that suffices, else by decoding."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceleak.faces.images import ImageError, decode_jpeg
from faceleak.faces.store import FaceStore, sha256_of
from faceleak.work.compute import available_cores
from faceleak.work.progress import track


@dataclass(frozen=True)
class Soundness:
    """`sound`: whether the image of each row can be read; `decoded`: how many were decoded to find out."""

    sound: NDArray[np.bool_]
    decoded: int


def check_images(store: FaceStore) -> Soundness:
    """Look at all images of a store.

    The bytes of a color JPEG are kept as they came. If they still have the sha256 of the source, they are those
    that were decoded, or encoded here, when they were packed, and are not decoded again. All others are.
    Raises StoreError if a part was altered after it was packed.
    """
    with ThreadPoolExecutor(available_cores()) as threads:
        looks = threads.map(lambda number: np.array(list(_look_at(store, number)), bool), range(store.parts))
        parts = list(track(looks, "Checking images", store.parts, "parts"))
    sound, decoded = np.concatenate(parts).T if parts else np.empty((2, 0), bool)
    return Soundness(sound, int(decoded.sum()))


def _look_at(store: FaceStore, number: int) -> Iterator[tuple[bool, bool]]:
    """For each image of a part: whether it is sound, whether it was decoded."""
    store.verify(number)
    hashes = store.part(number, ["sha256"])["sha256"]
    for row, expected in zip(hashes.index.tolist(), hashes, strict=True):
        jpeg = store.jpeg(row)
        if sha256_of(jpeg) == expected:
            yield True, False
        else:
            yield _decodes(jpeg), True


def _decodes(jpeg: bytes) -> bool:
    try:
        decode_jpeg(jpeg)
    except ImageError:
        return False
    return True
