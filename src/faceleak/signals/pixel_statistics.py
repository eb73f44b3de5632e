"""Pixel statistics: what an image itself looks like, without any look at the target. The blind baseline reads them.

Mean and standard deviation of each colour, sharpness (mean absolute gradient), and an 8×8 thumbnail.
"""

from torch import Tensor, cat, nn
from torch.nn import functional

ACCESS = "nothing"
THUMBNAIL = 8
COLOURS = ("red", "green", "blue")


def read(backbone: nn.Module, faces: Tensor) -> Tensor:  # noqa: ARG001  every signal has the same form
    """Read (n, 7 + 3·64) numbers off `faces` alone; `backbone` is not used."""
    flat = faces.flatten(2)  # (n, 3, height·width)
    across = (faces[..., 1:] - faces[..., :-1]).abs().mean((1, 2, 3))
    down = (faces[..., 1:, :] - faces[..., :-1, :]).abs().mean((1, 2, 3))
    thumbnail = functional.adaptive_avg_pool2d(faces, THUMBNAIL).flatten(1)
    return cat([flat.mean(2), flat.std(2), (across + down)[:, None], thumbnail], dim=1)


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001
    """Statistic and colour."""
    statistics = [f"{statistic}.{colour}" for statistic in ("mean", "std") for colour in COLOURS]
    cells = [f"thumbnail.{colour}.{i}" for colour in COLOURS for i in range(THUMBNAIL**2)]
    return [*statistics, "sharpness", *cells]
