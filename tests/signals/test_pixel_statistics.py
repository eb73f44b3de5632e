import pytest
import torch
from torch import nn

from faceleak.signals import registry

pixel_statistics = registry.get_reader("pixel_statistics")


def statistics(face: torch.Tensor) -> dict[str, float]:
    values = pixel_statistics.read(nn.Identity(), face[None])[0].tolist()
    return dict(zip(pixel_statistics.column_names(nn.Identity()), values, strict=True))


def test_a_plain_color_by_hand():
    found = statistics(torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 16, 16))
    for color, value in (("red", 0.2), ("green", 0.4), ("blue", 0.6)):
        assert found[f"mean.{color}"] == pytest.approx(value)
        assert found[f"std.{color}"] == pytest.approx(0, abs=1e-6)
        assert [found[f"thumbnail.{color}.{cell}"] for cell in range(64)] == pytest.approx([value] * 64)
    assert found["sharpness"] == 0
    assert found["details.fine"] == found["details.coarse"] == 0
    assert len(found) == 9 + 3 * 64


def test_stripes_by_hand():
    face = torch.zeros(3, 16, 16)
    face[0, :, ::2] = 1  # red columns: every step across changes red by 1, none changes down
    face[1, 0] = 1  # one green row: of 15 steps down one changes
    found = statistics(face)
    assert found["mean.red"] == pytest.approx(0.5)
    assert found["std.red"] == pytest.approx((0.25 * 256 / 255) ** 0.5)
    assert found["mean.green"] == pytest.approx(1 / 16)
    assert found["sharpness"] == pytest.approx(1 / 3 + 1 / 15 / 3)


def test_the_thumbnail_holds_the_mean_of_each_cell_row_by_row():
    face = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    found = statistics(face)
    for row, column in ((0, 0), (0, 7), (5, 2)):
        cell = face[:, 3 * row : 3 * row + 3, 4 * column : 4 * column + 4].mean((1, 2)).tolist()
        number = 8 * row + column
        shown = [found[f"thumbnail.{color}.{number}"] for color in ("red", "green", "blue")]
        assert shown == pytest.approx(cell)


def test_blur_takes_the_finest_details_whatever_the_contrast():
    face = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(face[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    sharp, faint, soft = (statistics(image) for image in (face, 0.2 + face / 4, blurred))
    assert soft["details.fine"] < sharp["details.fine"] - 0.5
    assert faint["details.fine"] == pytest.approx(sharp["details.fine"], abs=0.02)
