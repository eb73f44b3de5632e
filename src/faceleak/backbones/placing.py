"""Faces as tensors brought to the size that a network takes, with gradients."""

from torch import Tensor
from torch.nn import functional

from faceleak.faces.canvas import Canvas


def place_faces(faces: Tensor, canvas: Canvas) -> Tensor:
    """Faces (n, 3, any height, any width) → (n, 3, height, width), as `Canvas.place` does it; padding is 0."""
    if faces.shape[-2:] == canvas.shape:
        return faces
    size = canvas.scaled(*faces.shape[-2:])
    if faces.shape[-2:] != size:
        faces = functional.interpolate(faces, size, mode="bilinear", antialias=True, align_corners=False)
    if size == canvas.shape:
        return faces
    above, below, left, right = canvas.margins(*size)
    return functional.pad(faces, (left, right, above, below))  # negative: cut off
