"""Aligning raw photographs by five landmarks: eyes, nose tip and corners of the mouth, as backbones expect faces.

The similarity transform is the least-squares one of Umeyama (IEEE TPAMI 13(4), 1991), as InsightFace computes it, one
image after the other; here for a batch at once, on any device.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
    from collections.abc import Sequence

# x and y in a face of 112×112 pixels: left eye, right eye, nose tip, left and right corner of the mouth, as seen
ARCFACE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
ARCFACE_SIZE = 112


class LandmarkError(FaceleakError):
    """Landmarks are missing, no numbers, or all on one spot."""


def align(images: "Sequence[Tensor]", landmarks: Tensor, size: int = ARCFACE_SIZE) -> Tensor:
    """Cut faces (n, 3, size, size) out of photographs, so that their landmarks lie where ArcFace's template has them.

    images: n RGB images (3, height, width) in 0…1, each of its own size. landmarks: (n, 5, 2), x and y in pixels, in
    the order of `ARCFACE`. What lies outside a photograph is black. Raises LandmarkError.
    """
    from kornia.geometry.transform import warp_affine

    template = torch.tensor(ARCFACE) * (size / ARCFACE_SIZE)
    transforms = similarity_transforms(landmarks, template)
    faces = [
        warp_affine(image[None], transform[None].to(image), (size, size), mode="bilinear", align_corners=True)
        for image, transform in zip(images, transforms, strict=True)
    ]
    return torch.cat(faces)


def similarity_transforms(landmarks: Tensor, template: Tensor) -> Tensor:
    """Rotation, scale and shift (n, 2, 3) that bring landmarks (n, k, 2) closest to a template (k, 2).

    In the plane the least-squares solution is one complex factor: with centerd points as complex numbers p and q,
    a = Σ p̄·q / Σ |p|² turns and scales, and cannot mirror. Raises LandmarkError if points are not finite or all on
    one spot.
    """
    points, goal = torch.view_as_complex(landmarks.double().contiguous()), torch.view_as_complex(template.double())
    center, goal_center = points.mean(1, keepdim=True), goal.mean()
    spread = (points - center).abs().square().sum(1)
    if bad := int((~torch.isfinite(spread) | (spread < 1e-9)).sum()):
        raise LandmarkError(
            f"{bad} of {len(landmarks)} faces have landmarks that are no finite numbers or lie all on one spot. "
            "Correct them, or leave these images out."
        )
    factor = ((points - center).conj() * (goal - goal_center)).sum(1) / spread
    shift = goal_center - factor * center[:, 0]
    rows = [factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag]
    return torch.stack(rows, dim=1).view(-1, 2, 3)
