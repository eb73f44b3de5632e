"""Augmentation multiplicity (De et al., arXiv 2204.13650): several views of an image, averaged within its unit."""

import torch
from torch import Tensor
from torch.nn import functional

SHIFT = 16  # a view is moved by up to 1/16 of its size


def views(faces: Tensor, number: int, random: torch.Generator) -> Tensor:
    """Faces (n, 3, size, size) → (n·number, 3, size, size), the views of one image side by side.

    The first view is the image itself; the others are mirrored (one in two) and moved, edges repeated.
    """
    if number == 1:
        return faces
    images, reach, size = len(faces), faces.shape[-1] // SHIFT, faces.shape[-1]
    padded = functional.pad(faces, (reach,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * reach + 1, (images, number - 1, 2), generator=random).tolist()
    mirrored = (torch.rand(images, number - 1, generator=random) < 0.5).tolist()
    result = []
    for image in range(images):
        result.append(faces[image])
        for (down, right), mirror in zip(offsets[image], mirrored[image], strict=True):
            view = padded[image, :, down : down + size, right : right + size]
            result.append(view.flip(2) if mirror else view)
    return torch.stack(result)
