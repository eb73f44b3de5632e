"""How alike two pictures are, pixel by pixel: whether a face was memorized as a picture rather than learnt."""

import numpy as np
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError

WINDOW = 11  # pixels, as in the paper


class LikenessError(FaceleakError):
    """Pictures cannot be compared."""


def likeness(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """SSIM (−1…1) and PSNR (dB) of each of RGB pictures (n, height, width, 3) and the other in its place.

    SSIM (Wang et al. 2004, Gaussian window of 11 pixels) is the mean over positions and channels; PSNR is infinite for
    equal pictures. Both depend on the alignment of the faces: different pictures of one person score low, so a
    high value says memorized, and a low one does not say unknown. Raises LikenessError if the shapes differ.
    """
    import torch
    from kornia.metrics import ssim

    if pictures.shape != others.shape or pictures.ndim != 4 or min(pictures.shape[1:3]) < WINDOW:
        raise LikenessError(
            f"Pictures of shape {pictures.shape} and {others.shape} cannot be compared: both have to be "
            f"(n, height, width, 3), with sides of {WINDOW} pixels at least."
        )
    first, second = (
        torch.from_numpy(np.ascontiguousarray(of)).permute(0, 3, 1, 2).float() / 255 for of in (pictures, others)
    )
    similarity = ssim(first, second, WINDOW).mean((1, 2, 3))
    error = (first - second).square().mean((1, 2, 3))
    return similarity.numpy(), (-10 * error.log10()).numpy()
