"""Pixel statistics: what an image itself looks like, without any look at the target. The blind baseline reads them.

Mean and standard deviation of each colour, sharpness (mean absolute gradient), and an 8×8 thumbnail.
"""

from torch import Tensor, cat, nn
from torch.linalg import vector_norm
from torch.nn import functional

from faceleak.signals.observation import Observation

ACCESS = "nothing"
NEEDS = ()
THUMBNAIL = 8
COLOURS = ("red", "green", "blue")


def compute(seen: Observation) -> Tensor:
    """Read (n, 7 + 3·64) numbers off the faces alone; the backbone is not used."""
    faces = seen.faces
    flat = faces.flatten(2)  # (n, 3, height·width)
    mean = flat.mean(2)
    spread = vector_norm(flat - mean[..., None], dim=2) / (flat.shape[2] - 1) ** 0.5  # far faster than std() here
    across = (faces[..., 1:] - faces[..., :-1]).abs_().mean((1, 2, 3))
    down = (faces[..., 1:, :] - faces[..., :-1, :]).abs_().mean((1, 2, 3))
    thumbnail = functional.adaptive_avg_pool2d(faces, THUMBNAIL).flatten(1)
    return cat([mean, spread, (across + down)[:, None], thumbnail], dim=1)


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001
    """Statistic and colour."""
    statistics = [f"{statistic}.{colour}" for statistic in ("mean", "std") for colour in COLOURS]
    cells = [f"thumbnail.{colour}.{i}" for colour in COLOURS for i in range(THUMBNAIL**2)]
    return [*statistics, "sharpness", *cells]
