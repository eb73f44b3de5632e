import numpy as np
import pytest

from faceleak.faces.likeness import LikenessError, likeness


@pytest.fixture
def pictures(smooth_pixels: np.ndarray) -> np.ndarray:
    return np.stack([smooth_pixels, smooth_pixels[::-1]])


def test_a_picture_is_alike_itself_and_less_alike_the_more_it_is_changed(pictures: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=pictures.shape)
    found = [likeness(pictures, (pictures + strength * noise).clip(0, 255).astype(np.uint8)) for strength in (0, 5, 50)]
    assert found[0][0] == pytest.approx([1, 1], abs=1e-5)
    assert np.isinf(found[0][1]).all()
    for number in range(2):
        assert (found[0][number] > found[1][number]).all()
        assert (found[1][number] > found[2][number]).all()


def test_psnr_by_hand(pictures: np.ndarray) -> None:
    darker, one = np.zeros_like(pictures), np.full_like(pictures, 51)  # 0.2 apart, so a squared error of 0.04
    assert likeness(darker, one)[1] == pytest.approx([13.9794, 13.9794], abs=1e-3)


def test_ssim_of_flat_pictures_by_hand(pictures: np.ndarray) -> None:
    """Without variance what is left is the comparison of means: (2·a·b + c) / (a² + b² + c), c = 0.01²."""
    black, gray = np.full_like(pictures, 51), np.full_like(pictures, 102)
    expected = (2 * 0.2 * 0.4 + 1e-4) / (0.2**2 + 0.4**2 + 1e-4)
    assert likeness(black, gray)[0] == pytest.approx([expected, expected], abs=1e-3)


def test_each_picture_is_compared_with_the_one_in_its_place(pictures: np.ndarray) -> None:
    crossed = likeness(pictures, np.stack([pictures[0], pictures[0]]))
    assert crossed[0][0] == pytest.approx(1, abs=1e-5)
    assert crossed[0][1] < 0.9


def test_pictures_of_other_sizes_are_refused(pictures: np.ndarray) -> None:
    with pytest.raises(LikenessError, match="cannot be compared"):
        likeness(pictures, pictures[:, 1:])
