"""Averaging: the mean of many embeddings of each image, which is changed a little for each query.

Noise or rounding at query time differs from query to query and averages out; who is on the image stays. Queries are all
that it takes.
"""

from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.backbones.backbone import Backbone
from faceleak.bypasses import OwnFaces
from faceleak.work.tasks import fingerprint

ACCESS = "embeddings"
IS_A_BACKBONE = False
QUERIES = 8
SHIFT = 2  # pixels, to each side
BRIGHTNESS = 0.03  # of the range of brightness, to each side


def bypass(released: Backbone, own: OwnFaces) -> Backbone:  # noqa: ARG001  no face of its own is needed
    """A backbone that asks the released one eight times for each embedding."""
    return AveragingBackbone(deepcopy(released)).eval()


class AveragingBackbone(Backbone):
    """Faces as `Backbone` takes them → the mean embedding over `QUERIES` shifted, brighter or darker copies of each."""

    def __init__(self, released: Backbone) -> None:
        super().__init__(released.net, released.card)
        self.head = released.head
        random = torch.Generator().manual_seed(0)  # the same changes for all images: no batch matters
        steps = range(-SHIFT, SHIFT + 1)
        shifts = [(down, right) for down in steps for right in steps]
        self.shifts = [shifts[i] for i in torch.randperm(len(shifts), generator=random)[:QUERIES].tolist()]
        self.brightness = ((2 * torch.rand(QUERIES, generator=random) - 1) * BRIGHTNESS).tolist()

    def forward(self, faces: Tensor) -> Tensor:
        ask = super().forward
        queries = zip(self.shifts, self.brightness, strict=True)
        return torch.stack([ask(changed(faces, down, right, more)) for (down, right), more in queries]).mean(0)

    def weights_hash(self) -> str:
        """Another one than the released backbone's, whose embeddings are not these."""
        return fingerprint(super().weights_hash(), self.shifts, self.brightness)


def changed(faces: Tensor, down: int, right: int, brighter: float) -> Tensor:
    """Faces (n, 3, height, width) in 0…1, moved by whole pixels with their edges repeated, and made brighter."""
    height, width = faces.shape[-2:]
    padded = functional.pad(faces, (SHIFT, SHIFT, SHIFT, SHIFT), mode="replicate")
    top, left = SHIFT - down, SHIFT - right
    return (padded[..., top : top + height, left : left + width] + brighter).clamp(0, 1)
