"""PartCrop (arXiv 2505.10351): how the embedding answers to parts of the image.

Nine crops of two thirds of height and width, on a 3×3 grid, enlarged to the whole size: a backbone knows parts of an
image that it was trained on better. Read are the cosines between each part and the whole, and between the parts.
"""

from torch import Tensor, cat, nn, stack
from torch.nn import functional

from faceleak.signals.observation import Observation

ACCESS = "embeddings"
NEEDS = ("embedding",)
GRID = 3
SHARE = 2 / 3
EXTRA_PASSES = GRID**2
SUMMARIES = ("mean", "std", "smallest", "largest")


def compute(seen: Observation) -> Tensor:
    """Read (n, 9 + 4): the cosine of each part with the whole, then mean, spread and extremes between the parts."""
    whole = functional.normalize(seen.embedding.float())
    parts = stack([functional.normalize(seen.embed(part).float()) for part in _parts(seen.faces)], dim=1)
    to_whole = (parts * whole[:, None]).sum(2)  # (n, 9)
    between = parts @ parts.transpose(1, 2)  # (n, 9, 9)
    rows, columns = _pairs(between.shape[1])
    pairs = between[:, rows, columns]
    summaries = [pairs.mean(1), pairs.std(1), pairs.amin(1), pairs.amax(1)]
    return cat([to_whole, stack(summaries, dim=1)], dim=1)


def _parts(faces: Tensor) -> list[Tensor]:
    height, width = faces.shape[-2:]
    crop_height, crop_width = round(SHARE * height), round(SHARE * width)
    tops = [round(i * (height - crop_height) / (GRID - 1)) for i in range(GRID)]
    lefts = [round(i * (width - crop_width) / (GRID - 1)) for i in range(GRID)]
    crops = [faces[..., top : top + crop_height, left : left + crop_width] for top in tops for left in lefts]
    return [functional.interpolate(crop, (height, width), mode="bilinear", align_corners=False) for crop in crops]


def _pairs(number: int) -> tuple[list[int], list[int]]:
    pairs = [(i, j) for i in range(number) for j in range(i)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001  every signal has the same form
    """Row and column of the part; summary."""
    parts = [f"part.{row}.{column}" for row in range(GRID) for column in range(GRID)]
    return [*parts, *(f"between.{summary}" for summary in SUMMARIES)]
