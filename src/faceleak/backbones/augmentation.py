"""Augmentation of faces in training.

Every draw comes from the generator of the epoch, so an epoch which begins anew repeats itself. Draws are made for
the whole batch, and a process takes those of its share: several processes see the faces that one would see.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceleak.backbones.data_parallel import WHOLE, Share
from faceleak.backbones.training_options import TrainingOptions
from faceleak.work.compute import seeded

OF_THE_BATCH = {"order", "forward_input_shape"}  # what kornia draws once, not for each image


def augment(faces: Tensor, options: TrainingOptions, random: np.random.Generator, share: Share = WHOLE) -> Tensor:
    """Faces (n, 3, height, width) in 0…1 → the same shape and range, each changed by itself, as the options say.

    `faces` are those of the share; the batch has `share.processes` times as many.
    """
    if options.horizontal_flip:
        faces = mirrored(faces, random, share)
    if options.augmentation == "strong":
        faces = strongly_changed(faces, random, share)
    return faces


def mirrored(faces: Tensor, random: np.random.Generator, share: Share = WHOLE) -> Tensor:
    """Half of the faces, chosen by chance, from left to right."""
    draws = random.random(len(faces) * share.processes)[share.slice(len(faces))]
    chosen = torch.from_numpy(draws < 0.5).to(faces.device)
    return torch.where(chosen[:, None, None, None], faces.flip(3), faces)


def strongly_changed(faces: Tensor, random: np.random.Generator, share: Share = WHOLE) -> Tensor:
    """Cropped and enlarged, with other colors, some of them blurred, some with a part erased."""
    changes = _strong(faces.shape[-2], faces.shape[-1])
    with seeded(int(random.integers(2**31))), torch.no_grad():  # kornia draws from the global generator
        draws = changes.forward_parameters(torch.Size((len(faces) * share.processes, *faces.shape[1:])))
        changed: Tensor = changes(faces, params=[_of_share(draw, share, len(faces)) for draw in draws])
    return changed.clamp(0, 1)


def _of_share(draw: Any, share: Share, images: int) -> Any:
    drawn = {name: value if name in OF_THE_BATCH else value[share.slice(images)] for name, value in draw.data.items()}
    return draw._replace(data=drawn)


@cache
def _strong(height: int, width: int) -> Any:
    from kornia import augmentation

    return augmentation.ImageSequential(
        augmentation.RandomResizedCrop((height, width), (0.7, 1.0), (0.9, 1.1), cropping_mode="resample"),
        augmentation.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03, p=0.8),
        augmentation.RandomGaussianBlur((5, 5), (0.3, 1.5), p=0.3),
        augmentation.RandomErasing((0.02, 0.2), p=0.5),
    )
