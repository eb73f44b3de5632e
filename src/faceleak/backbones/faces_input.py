"""Faces from the packed store as tensors, batch by batch: memory does not grow with the set."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.work.compute import available_cores

MOST_DECODERS = 8


def to_tensor(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB pixels (n, height, width, 3) in 0…255 → faces (n, 3, height, width) in 0…1, channels last in memory."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def face_batches(
    store: FaceStore, positions: NDArray[np.int64], size: int | Canvas, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield faces in the order of `positions`.

    For a GPU the next batches are decoded while the caller works on this one. If the caller itself computes on the
    cores, a decoder next to it would hold up all threads of a layer, so all cores first decode a batch and then
    compute.
    """
    batches = [positions[start : start + batch_size] for start in range(0, len(positions), batch_size)]
    if device.type == "cpu":
        yield from (to_tensor(pixels, device) for pixels in _decoded_together(store, batches, size))
    else:
        yield from _decoded_ahead(lambda batch: to_tensor(store.images(batch, size), device), batches)


def _decoded_together(
    store: FaceStore, batches: Iterable[NDArray[np.int64]], size: int | Canvas
) -> Iterator[NDArray[np.uint8]]:
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as decoders:
        for batch in batches:
            parts = [part for part in np.array_split(batch, threads) if len(part)]
            yield np.concatenate(list(decoders.map(lambda part: store.images(part, size), parts)))


def _decoded_ahead(
    load: Callable[[NDArray[np.int64]], Tensor], batches: Iterable[NDArray[np.int64]]
) -> Iterator[Tensor]:
    ahead = min(MOST_DECODERS, available_cores())
    with ThreadPoolExecutor(ahead) as decoders:
        coming: deque[Future[Tensor]] = deque()
        for batch in batches:
            coming.append(decoders.submit(load, batch))
            if len(coming) > ahead:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
