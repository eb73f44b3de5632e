import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas

FITS = ["stretch", "pad", "crop"]
SIDES = st.integers(16, 48)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(FITS))
def test_faces_are_placed_as_images_are(height, width, canvas_height, canvas_width, fit):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    canvas = Canvas(canvas_height, canvas_width, fit)
    faces = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    found = place_faces(faces, canvas)[0].permute(1, 2, 0).numpy()
    assert found.shape == (canvas_height, canvas_width, 3)
    assert np.abs(found - canvas.place(pixels)).max() < 1.6  # Pillow rounds after each of two directions


def test_squares_are_resampled_as_ever_and_faces_that_fit_not_at_all():
    faces = torch.rand(2, 3, 24, 24)
    expected = functional.interpolate(faces, (16, 16), mode="bilinear", antialias=True, align_corners=False)
    for fit in FITS:
        assert torch.equal(place_faces(faces, Canvas(16, 16, fit)), expected)
        assert place_faces(faces, Canvas(24, 24, fit)) is faces


@pytest.mark.parametrize("fit", FITS)
def test_gradients_reach_what_is_seen(fit):
    faces = torch.rand(1, 3, 20, 10, requires_grad=True)
    place_faces(faces, Canvas(10, 10, fit)).sum().backward()
    seen = faces.grad.abs().sum((0, 1, 3)) > 0
    assert seen[5:15].all()
    assert bool(seen.all()) == (fit != "crop")
