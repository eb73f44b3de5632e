"""How an image of any size and aspect is brought to the size that a network takes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Fit = Literal["stretch", "pad", "crop"]


@dataclass(frozen=True)
class Canvas:
    """Height and width in pixels, and what happens to an image of another aspect.

    `stretch` scales height and width each by itself; `pad` scales the whole image into the canvas, and what stays free
    on both sides is black; `crop` scales the short side to the canvas and cuts off both ends of the other. A face that
    is aligned for 96 wide × 112 high (as for SphereFace) and padded to 112 × 112, with 8 pixels on the left and 8 on
    the right, is aligned as for ArcFace, pixel by pixel: the two templates are 8 pixels apart.
    """

    height: int
    width: int
    fit: Fit = "stretch"

    @classmethod
    def of(cls, size: "int | Canvas") -> "Canvas":
        """A number of pixels means a square that images are stretched to."""
        return size if isinstance(size, Canvas) else cls(size, size)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to scale an image to, before it is centerd: at most (pad) or at least (crop) the canvas."""
        if self.fit == "stretch":
            return self.shape
        ratios = self.height / height, self.width / width
        if self.fit == "pad":
            scale = min(ratios)
            return max(1, round(height * scale)), max(1, round(width * scale))
        scale = max(ratios)
        return max(self.height, round(height * scale)), max(self.width, round(width * scale))

    def margins(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Rows above and below, columns left and right, that centring adds to a scaled image; negative: cut off."""
        rows, columns = self.height - height, self.width - width
        return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2

    def place(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB pixels (any height, any width, 3) → (height, width, 3), scaled with antialiasing if needed."""
        if pixels.shape[:2] == self.shape:
            return pixels
        size = self.scaled(*pixels.shape[:2])
        if pixels.shape[:2] != size:
            pixels = _resized(pixels, *size)
        return pixels if size == self.shape else self._centerd(pixels)

    def _centerd(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        above, below, left, right = self.margins(*pixels.shape[:2])
        pixels = pixels[max(0, -above) : len(pixels) - max(0, -below)]
        pixels = pixels[:, max(0, -left) : pixels.shape[1] - max(0, -right)]
        added = (max(0, above), max(0, below)), (max(0, left), max(0, right)), (0, 0)
        return np.pad(pixels, added)


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
