"""How generated faces are framed: a part of them, scaled to a size."""

from torch import Tensor

from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas
from faceleak.reconstruction.priors.options import Crop
from faceleak.reconstruction.priors.prior import Prior


class FramedPrior:
    """A prior of whose faces `crop` is kept, scaled to `image_size` pixels a side; None leaves either as it is."""

    def __init__(self, prior: Prior, crop: Crop | None, image_size: int | None) -> None:
        self.latent_size, self.space = prior.latent_size, prior.space
        self._prior, self._crop, self._image_size = prior, crop, image_size

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, height, width)."""
        faces = self._prior.faces(latents)
        if self._crop is not None:
            faces = cut_out(faces, self._crop)
        return faces if self._image_size is None else place_faces(faces, Canvas.of(self._image_size))


def cut_out(faces: Tensor, crop: Crop) -> Tensor:
    """Keep a part of faces (n, 3, h, w), to the nearest whole pixel and at least one."""
    height, width = faces.shape[-2:]
    rows, columns = _span(crop.top, crop.bottom, height), _span(crop.left, crop.right, width)
    return faces[:, :, rows, columns]


def _span(start: float, end: float, length: int) -> slice:
    first = min(round(start * length), length - 1)
    return slice(first, max(round(end * length), first + 1))
