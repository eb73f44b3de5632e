import numpy as np
import torch
from torch import nn

from faceleak.signals import registry

part_crop = registry.get_reader("part_crop")
# two thirds of 48 are 32, so that the parts start at 0, 8 and 16
STARTS = (0, 8, 16)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def test_cosines_by_hand_for_an_iresnet18(iresnet18, smooth_faces):
    faces = smooth_faces[:2]
    with torch.no_grad():
        rows = part_crop.read(iresnet18, faces).numpy()
    for face, row in zip(faces, rows, strict=True):
        crops = [face[:, top : top + 32, left : left + 32] for top in STARTS for left in STARTS]
        enlarged = [nn.functional.interpolate(crop[None], (48, 48), mode="bilinear")[0] for crop in crops]
        with torch.no_grad():
            whole, *parts = iresnet18(torch.stack([face, *enlarged])).double().numpy()
        between = np.array([cosine(parts[i], parts[j]) for i in range(9) for j in range(i)])
        summaries = [between.mean(), between.std(ddof=1), between.min(), between.max()]
        expected = [*(cosine(part, whole) for part in parts), *summaries]
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_the_names_say_which_part_it_is():
    face = torch.zeros(1, 3, 48, 48)
    face[..., :8, :] = 1  # only parts of the first row see the bright stripe at the top
    net = nn.Flatten()
    names = part_crop.column_names(net)
    row = dict(zip(names, part_crop.read(net, face)[0].tolist(), strict=True))
    assert all(row[f"part.0.{column}"] > 0.5 for column in range(3))
    assert all(row[f"part.{place}.{column}"] == 0 for place in (1, 2) for column in range(3))
    assert row["between.smallest"] == 0
    assert row["between.largest"] > 0.999


def test_an_image_that_looks_alike_everywhere_gives_ones():
    image = torch.full((1, 4, 32, 32), 0.5)  # 4,096 numbers whose sums are exact, in whatever order
    row = part_crop.read(nn.Flatten(), image)[0]
    torch.testing.assert_close(row, torch.tensor([1.0] * 10 + [0.0, 1.0, 1.0]), rtol=0, atol=1e-5)
