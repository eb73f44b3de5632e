import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceleak.faces.alignment import ARCFACE, LandmarkError, align, similarity_transforms

TEMPLATE = torch.tensor(ARCFACE)


@given(st.floats(-math.pi, math.pi), st.floats(0.2, 5), st.floats(-200, 200), st.floats(-200, 200))
def test_a_turned_scaled_and_shifted_face_is_put_back(angle, scale, right, down):
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = scale * TEMPLATE @ turn.T + torch.tensor([right, down])
    (transform,) = similarity_transforms(moved[None], TEMPLATE)
    back = moved.double() @ transform[:, :2].T + transform[:, 2]
    torch.testing.assert_close(back, TEMPLATE.double(), atol=1e-3, rtol=0)


@given(st.integers(0, 1000))
def test_no_other_similarity_comes_closer(seed):
    generator = torch.Generator().manual_seed(seed)
    landmarks = TEMPLATE + 5 * torch.randn(5, 2, generator=generator)
    (best,) = similarity_transforms(landmarks[None], TEMPLATE)
    least = _distance(best, landmarks)
    for _ in range(10):
        factor, shift = 0.01 * torch.randn(2, 2, generator=generator)
        other = best.clone()
        other[0, 0] += factor[0]
        other[1, 1] += factor[0]
        other[0, 1] -= factor[1]
        other[1, 0] += factor[1]
        other[:, 2] += shift
        assert _distance(other, landmarks) >= least


def test_a_mirrored_face_stays_mirrored():
    mirrored = TEMPLATE * torch.tensor([-1.0, 1.0])
    (transform,) = similarity_transforms(mirrored[None], TEMPLATE)
    assert torch.linalg.det(transform[:, :2]) > 0


@pytest.mark.parametrize("size", [56, 112])
def test_landmarks_end_where_the_template_has_them(size):
    photograph = torch.zeros(3, 300, 400)
    landmarks = torch.tensor([[180.0, 120.0], [240.0, 130.0], [205.0, 165.0], [178.0, 195.0], [228.0, 204.0]])
    for x, y in landmarks.long().tolist():
        photograph[:, y - 2 : y + 3, x - 2 : x + 3] = 1
    (transform,) = similarity_transforms(landmarks[None], TEMPLATE * size / 112)
    (face,) = align([photograph], landmarks[None], size)
    for x, y in (landmarks.double() @ transform[:, :2].T + transform[:, 2]).tolist():
        assert face[:, round(y), round(x)].min() > 0.5
    assert face.shape == (3, size, size)


def test_photographs_of_several_sizes_go_together():
    landmarks = torch.stack([TEMPLATE, TEMPLATE + 40])
    faces = align([torch.ones(3, 112, 112), torch.ones(3, 200, 180)], landmarks)
    assert faces.shape == (2, 3, 112, 112)
    assert faces[0].min() > 0.99


def test_a_face_that_is_aligned_already_stays_as_it_is():
    image = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(align([image], TEMPLATE[None])[0], image, atol=1e-3, rtol=0)


@pytest.mark.parametrize("landmarks", [torch.full((5, 2), 7.0), torch.full((5, 2), float("nan"))])
def test_landmarks_that_say_nothing_are_refused(landmarks):
    with pytest.raises(LandmarkError, match="1 of 2 faces"):
        similarity_transforms(torch.stack([TEMPLATE, landmarks]), TEMPLATE)


def _distance(transform, landmarks):
    return (landmarks.double() @ transform[:, :2].T + transform[:, 2] - TEMPLATE).square().sum()
