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
from faceleak.defenses.owner import OwnFaces
from faceleak.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.progress import track

ACCESS = "weights"
IS_A_BACKBONE = True
NEEDS_BN = True


class ReestimationError(FaceleakError):
    """There are too few faces to estimate statistics on."""


def undo(released: Backbone, own: OwnFaces) -> Backbone:
    """Re-estimate on all faces of the attacker's own. Raises NoBatchNormError and ReestimationError."""
    return reestimate(released, own.store, own.images["image_id"], own.compute)


def reestimate(backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions) -> Backbone:
    """Return a copy whose running statistics are averages over batches of these faces.

    An incomplete last batch is left out, where there is another. Raises NoBatchNormError, and ReestimationError with
    fewer than two faces.
    """
    device = pick_device(compute)
    copy = deepcopy(backbone).to(device).eval()
    layers = bn_layers(copy.net).values()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over all batches
        layer.train()
    positions = store.positions(image_ids)
    if len(positions) < 2:
        raise ReestimationError(
            f"BN statistics cannot be estimated on {len(positions)} faces: it takes two at least, and some hundred to "
            "be of use. Raise defense.undoing_images, and the number of auxiliary people; where a defence takes public "
            "faces, the number of public people."
        )
    batch_size = min(max(2, compute.batch_size), len(positions))  # one face has no variance
    number = len(positions) // batch_size
    batches = face_batches(store, positions[: number * batch_size], copy.canvas, batch_size, device)
    with torch.inference_mode():
        for faces in track(batches, "Re-estimating BN statistics", number, "batches"):
            copy(faces)
    for layer, original in zip(layers, bn_layers(backbone.net).values(), strict=True):
        layer.momentum = original.momentum
    return copy.eval()
