"""Passing many faces through a backbone and keeping a little of each."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading
from faceleak.backbones.faces_input import face_batches, to_tensor
from faceleak.common.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, pick_device
from faceleak.work.progress import track


class NotFiniteError(FaceleakError):
    """A backbone answers with NaN or infinite numbers."""


def read_faces(
    function: Callable[[Backbone, Tensor], Tensor],
    backbone: Backbone,
    store: FaceStore,
    image_ids: Iterable[str],
    compute: ComputeOptions,
    description: str,
) -> NDArray[np.float32]:
    """Apply `function` to the backbone and every batch of faces; return its rows (images, columns) in order.

    Always in float32 and eval mode, so results do not depend on the precision of training.
    Raises NotFiniteError if a number is NaN or infinite.
    """
    device = pick_device(compute)
    positions = store.positions(image_ids)
    backbone = backbone.to(device)
    batches = face_batches(store, positions, backbone.canvas, compute.batch_size, device)
    number = -(-len(positions) // compute.batch_size)
    with torch.inference_mode(), reading(backbone):
        results = (function(backbone, faces).float() for faces in track(batches, description, number))
        rows = list(_fetched(results))
    return _finite(np.concatenate(rows), description)


def embed(
    backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions
) -> NDArray[np.float32]:
    """Embeddings (images, embedding_size), not normalized. Raises NotFiniteError."""
    return read_faces(lambda net, faces: net(faces), backbone, store, image_ids, compute, "Embedding")


def embed_pixels(backbone: Backbone, pixels: NDArray[np.uint8], compute: ComputeOptions) -> NDArray[np.float32]:
    """Embeddings (n, embedding_size) of RGB pixels (n, height, width, 3) that are in memory. Raises NotFiniteError."""
    device = pick_device(compute)
    backbone = backbone.to(device)
    starts = range(0, len(pixels), compute.batch_size)
    with torch.inference_mode(), reading(backbone):
        batches = (to_tensor(pixels[start : start + compute.batch_size], device) for start in starts)
        rows = list(_fetched(backbone(faces).float() for faces in batches))
    return _finite(np.concatenate(rows), "Embedding")


def _fetched(results: Iterable[Tensor]) -> Iterator[NDArray[np.float32]]:
    """Copy each result off a GPU while the next one is computed there."""
    coming: tuple[Tensor, torch.cuda.Event | None] | None = None
    for result in results:
        rows, copied = result.to("cpu", non_blocking=True), None
        if result.is_cuda:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        if coming is not None:
            yield _arrived(*coming)
        coming = rows, copied
    if coming is not None:
        yield _arrived(*coming)


def _arrived(rows: Tensor, copied: torch.cuda.Event | None) -> NDArray[np.float32]:
    if copied is not None:
        copied.synchronize()
    return rows.numpy().copy()  # the tensor may lie in page-locked memory, of which there is little


def _finite(rows: NDArray[np.float32], description: str) -> NDArray[np.float32]:
    if broken := int((~np.isfinite(rows)).any(axis=1).sum()):
        raise NotFiniteError(
            f"{description}: {broken} of {len(rows)} faces give NaN or infinite numbers, which cannot be compared. The "
            "backbone's weights or BN statistics are damaged, or a defense is too strong: lower its strength."
        )
    return rows
