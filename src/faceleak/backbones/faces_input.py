"""Faces from the packed store as tensors, batch by batch: memory does not grow with the set."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.compute import available_cores
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore

MOST_DECODERS = 8


def to_tensor(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB pixels (n, height, width, 3) in 0…255 → faces (n, 3, height, width) in 0…1, channels last in memory."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def face_batches(
    store: FaceStore, positions: NDArray[np.int64], size: int | Canvas, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield faces in the order of `positions`; the next batches are decoded while the caller works on this one."""

    def load(start: int) -> Tensor:
        return to_tensor(store.images(positions[start : start + batch_size], size), device)

    ahead = _decoders(device)
    with ThreadPoolExecutor(ahead) as decoders:
        coming: deque[Future[Tensor]] = deque()
        for start in range(0, len(positions), batch_size):
            coming.append(decoders.submit(load, start))
            if len(coming) > ahead:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _decoders(device: torch.device) -> int:
    """Threads that decode: one where the backbone needs the cores itself, several where a GPU would wait for it."""
    return 1 if device.type == "cpu" else min(MOST_DECODERS, available_cores())
