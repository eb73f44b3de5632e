"""Re-estimating BN statistics: one forward pass over faces of the attacker's own overwrites what was stored.

The attacker needs the weights and some faces, no training data and no gradient.
"""

from collections.abc import Iterable
from copy import deepcopy

import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.faces_input import face_batches
from faceleak.compute import ComputeOptions, pick_device
from faceleak.faces.store import FaceStore
from faceleak.progress import track


def reestimate(backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions) -> Backbone:
    """Return a copy whose running statistics are the averages over these faces. Raises NoBatchNormError."""
    device = pick_device(compute)
    copy = deepcopy(backbone).to(device).eval()
    layers = bn_layers(copy.net).values()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over all batches
        layer.train()
    positions = store.positions(image_ids)
    whole_batches = positions[: len(positions) // compute.batch_size * compute.batch_size]
    chosen = whole_batches if len(whole_batches) else positions
    batches = face_batches(store, chosen, copy.image_size, compute.batch_size, device)
    with torch.inference_mode():
        for faces in track(batches, "Re-estimating BN statistics", -(-len(chosen) // compute.batch_size), "batches"):
            copy(faces)
    for layer, original in zip(layers, bn_layers(backbone.net).values(), strict=True):
        layer.momentum = original.momentum
    return copy.eval()
