"""EncoderMI (arXiv 2108.11023): how alike the embeddings of augmented views of one image are.

An encoder gives views of an image that it was trained on more similar embeddings. The views are the same for every
image: mirrored, turned, shifted, brighter and darker, blurred, by kornia, so a reading is repeatable.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceleak.signals.observation import Observation

ACCESS = "embeddings"
NEEDS = ("embedding",)
DEGREES = 8.0
SHIFT = 0.06  # of the width
GAIN = 0.3
VIEWS = ("mirrored", "turned_left", "turned_right", "shifted", "brighter", "darker", "blurred")
EXTRA_PASSES = len(VIEWS)


def compute(seen: Observation) -> Tensor:
    """Read (n, 7 + 21): cosines of the views with the image, then those between the views in ascending order."""
    image = functional.normalize(seen.embedding.float())
    views = [functional.normalize(seen.embed(view).float()) for view in _views(seen.faces)]
    stacked = torch.stack(views, dim=1)  # (n, views, size)
    to_image = (stacked * image[:, None]).sum(2)
    rows, columns = torch.tril_indices(len(views), len(views), offset=-1).unbind()
    between = (stacked @ stacked.transpose(1, 2))[:, rows, columns].sort(dim=1).values
    return torch.cat([to_image, between], dim=1)


def _views(faces: Tensor) -> list[Tensor]:
    from kornia.filters import gaussian_blur2d
    from kornia.geometry.transform import hflip, rotate, translate

    def with_number(function: Callable[..., Any], *values: float) -> Tensor:
        numbers = faces.new_tensor(values).repeat(len(faces), 1).squeeze(1)
        moved: Tensor = function(faces, numbers, padding_mode="border")
        return moved

    return [
        hflip(faces),
        with_number(rotate, DEGREES),
        with_number(rotate, -DEGREES),
        with_number(translate, SHIFT * faces.shape[-1], -SHIFT * faces.shape[-2]),
        (faces * (1 + GAIN)).clamp(0, 1),
        faces * (1 - GAIN),
        gaussian_blur2d(faces, (5, 5), (1.0, 1.0)),
    ]


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001  every signal has the same form
    """View; rank among the similarities between views."""
    pairs = len(VIEWS) * (len(VIEWS) - 1) // 2
    return [*(f"view.{view}" for view in VIEWS), *(f"between.{rank}" for rank in range(pairs))]
