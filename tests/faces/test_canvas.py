import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faceleak.faces.canvas import Canvas

SIDES = st.integers(1, 60)
FITS = st.sampled_from(["stretch", "pad", "crop"])


def random_pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)  # nothing is quite black


@given(SIDES, SIDES, SIDES, SIDES, FITS)
def test_every_image_comes_out_in_the_size_of_the_canvas(height, width, canvas_height, canvas_width, fit):
    canvas = Canvas(canvas_height, canvas_width, fit)
    placed = canvas.place(random_pixels(height, width))
    assert placed.shape == (canvas_height, canvas_width, 3)
    assert placed.dtype == np.uint8
    scaled = np.array(canvas.scaled(height, width))
    match fit:
        case "pad":
            assert (scaled <= canvas.shape).all()
            assert (scaled == canvas.shape).any()
        case "crop":
            assert (scaled >= canvas.shape).all()
            assert (scaled == canvas.shape).any()


@given(SIDES, SIDES, FITS)
def test_an_image_of_the_right_size_is_the_same_to_the_bit(height, width, fit):
    pixels = random_pixels(height, width)
    np.testing.assert_array_equal(Canvas(height, width, fit).place(pixels), pixels)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 6), st.integers(1, 6), FITS)
def test_where_aspects_agree_all_fits_are_stretching(height, width, times, to, fit):
    pixels, shape = random_pixels(height * times, width * times), (height * to, width * to)
    np.testing.assert_array_equal(Canvas(*shape, fit).place(pixels), Canvas(*shape).place(pixels))


def test_squares_are_stretched_by_pillow():
    pixels = random_pixels(30, 50)
    expected = np.asarray(Image.fromarray(pixels).resize((20, 20), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(Canvas.of(20).place(pixels), expected)


def test_a_face_aligned_for_sphereface_becomes_one_for_arcface_by_padding():
    face = random_pixels(112, 96)
    padded = Canvas(112, 112, "pad").place(face)
    np.testing.assert_array_equal(padded[:, 8:104], face)
    assert not padded[:, :8].any()
    assert not padded[:, 104:].any()
    np.testing.assert_array_equal(Canvas(112, 96, "crop").place(padded), face)  # and back


def test_what_is_left_over_by_an_odd_number_goes_below_and_to_the_right():
    assert Canvas(7, 10, "pad").margins(7, 7) == (0, 0, 1, 2)
    assert Canvas(4, 4, "crop").margins(7, 4) == (-2, -1, 0, 0)
    pixels = random_pixels(7, 4)
    np.testing.assert_array_equal(Canvas(4, 4, "crop").place(pixels), pixels[2:6])


@pytest.mark.parametrize(("fit", "expected"), [("pad", (20, 10)), ("crop", (40, 20))])
def test_scaling_keeps_the_aspect(fit, expected):
    assert Canvas(20, 20, fit).scaled(80, 40) == expected
