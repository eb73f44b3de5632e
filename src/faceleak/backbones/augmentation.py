"""What training does to faces so that it does not see the same ones each time.

Every draw comes from the generator of the epoch, so that an epoch which begins anew repeats itself.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceleak.backbones.training_options import TrainingOptions
from faceleak.compute import seeded


def augment(faces: Tensor, options: TrainingOptions, random: np.random.Generator) -> Tensor:
    """Faces (n, 3, height, width) in 0…1 → the same shape and range, each changed by itself, as the options say."""
    if options.horizontal_flip:
        faces = mirrored(faces, random)
    if options.augmentation == "strong":
        faces = strongly_changed(faces, random)
    return faces


def mirrored(faces: Tensor, random: np.random.Generator) -> Tensor:
    """Half of the faces, chosen by chance, from left to right."""
    chosen = torch.from_numpy(random.random(len(faces)) < 0.5).to(faces.device)
    return torch.where(chosen[:, None, None, None], faces.flip(3), faces)


def strongly_changed(faces: Tensor, random: np.random.Generator) -> Tensor:
    """Cropped and enlarged, with other colours, some of them blurred, some with a part erased."""
    with seeded(int(random.integers(2**31))), torch.no_grad():  # kornia draws from the global generator
        changed: Tensor = _strong(faces.shape[-2], faces.shape[-1])(faces)
    return changed.clamp(0, 1)


@cache
def _strong(height: int, width: int) -> Any:
    from kornia import augmentation

    return augmentation.ImageSequential(
        augmentation.RandomResizedCrop((height, width), (0.7, 1.0), (0.9, 1.1), cropping_mode="resample"),
        augmentation.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03, p=0.8),
        augmentation.RandomGaussianBlur((5, 5), (0.3, 1.5), p=0.3),
        augmentation.RandomErasing((0.02, 0.2), p=0.5),
    )
