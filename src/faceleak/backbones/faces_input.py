"""Faces from the packed store as tensors, batch by batch: memory does not grow with the set."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore


def to_tensor(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB pixels (n, height, width, 3) in 0…255 → faces (n, 3, height, width) in 0…1, channels last in memory."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def face_batches(
    store: FaceStore, positions: NDArray[np.int64], size: int | Canvas, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield faces in the order of `positions`; the next batch is decoded while the caller works on this one."""
    batches = [positions[start : start + batch_size] for start in range(0, len(positions), batch_size)]
    with ThreadPoolExecutor(1) as decoder:
        coming = decoder.submit(store.images, batches[0], size) if batches else None
        for following in [*batches[1:], None]:
            pixels = coming.result() if coming else None
            coming = decoder.submit(store.images, following, size) if following is not None else None
            if pixels is not None:
                yield to_tensor(pixels, device)
