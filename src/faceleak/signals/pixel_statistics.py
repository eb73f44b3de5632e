"""Pixel statistics: numbers of the image itself, without the target. The blind baseline reads them.

Mean and standard deviation of each color, sharpness (mean absolute gradient), how much finer its details are than
coarser ones (which tells blur, noise or compression whatever the contrast), and an 8×8 thumbnail.
"""

from itertools import pairwise

from torch import Tensor, cat, nn, stack
from torch.linalg import vector_norm
from torch.nn import functional

from faceleak.signals.observation import Observation

ACCESS = "nothing"
NEEDS = ()
THUMBNAIL = 8
SMALLEST = 1e-3
COLORS = ("red", "green", "blue")


def compute(seen: Observation) -> Tensor:
    """Read (n, 9 + 3·64) numbers off the faces; the backbone is not used."""
    faces = seen.faces
    flat = faces.flatten(2)  # (n, 3, height·width)
    mean = flat.mean(2)
    spread = vector_norm(flat - mean[..., None], dim=2) / (flat.shape[2] - 1) ** 0.5  # far faster than std() here
    halves = functional.avg_pool2d(faces, 2)
    sharpness = [_sharpness(at_scale) for at_scale in (faces, halves, functional.avg_pool2d(halves, 2))]
    details = [((fine + SMALLEST) / (coarse + SMALLEST)).log() for fine, coarse in pairwise(sharpness)]
    thumbnail = functional.adaptive_avg_pool2d(faces, THUMBNAIL).flatten(1)
    return cat([mean, spread, stack([sharpness[0], *details], dim=1), thumbnail], dim=1)


def _sharpness(faces: Tensor) -> Tensor:
    across = (faces[..., 1:] - faces[..., :-1]).abs_().mean((1, 2, 3))
    return across + (faces[..., 1:, :] - faces[..., :-1, :]).abs_().mean((1, 2, 3))


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001
    """Statistic and color."""
    statistics = [f"{statistic}.{color}" for statistic in ("mean", "std") for color in COLORS]
    cells = [f"thumbnail.{color}.{i}" for color in COLORS for i in range(THUMBNAIL**2)]
    return [*statistics, "sharpness", "details.fine", "details.coarse", *cells]
