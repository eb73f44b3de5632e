import numpy as np
import torch
from torch import nn

from faceleak.signals import registry
from faceleak.signals.augmentation_similarity import VIEWS, _views

augmentation_similarity = registry.get_reader("augmentation_similarity")


def named_views(faces: torch.Tensor) -> dict[str, torch.Tensor]:
    return dict(zip(VIEWS, _views(faces), strict=True))


def test_views_are_the_same_every_time_and_images_independent(smooth_faces):
    views = named_views(smooth_faces)
    for name, view in named_views(smooth_faces).items():
        assert torch.equal(view, views[name])
    for image in range(4):
        for name, view in named_views(smooth_faces[image : image + 1]).items():
            torch.testing.assert_close(view[0], views[name][image], rtol=0, atol=1e-6)


def test_views_are_images_of_the_same_size_and_none_is_the_image_itself(smooth_faces):
    for name, view in named_views(smooth_faces).items():
        assert view.shape == smooth_faces.shape, name
        assert view.min() >= 0, name
        assert view.max() <= 1 + 1e-5, name
        assert (view - smooth_faces).abs().mean() > 1e-3, name


def test_plain_views_by_hand(smooth_faces):
    views = named_views(smooth_faces)
    assert torch.equal(views["mirrored"], smooth_faces.flip(-1))
    torch.testing.assert_close(views["darker"], 0.7 * smooth_faces)
    torch.testing.assert_close(views["brighter"], (1.3 * smooth_faces).clamp(max=1))
    # 6 % of 50 pixels are 3, to the right and up; the border is continued
    faces = torch.rand(1, 3, 50, 50, generator=torch.Generator().manual_seed(0))
    shifted = named_views(faces)["shifted"]
    torch.testing.assert_close(shifted[..., :-3, 3:], faces[..., 3:, :-3], rtol=0, atol=1e-4)
    torch.testing.assert_close(shifted[..., :-3, 0], faces[..., 3:, 0], rtol=0, atol=1e-4)


def test_left_and_right_turns_are_mirror_images(smooth_faces):
    views, mirrored = named_views(smooth_faces), named_views(smooth_faces.flip(-1))
    torch.testing.assert_close(mirrored["turned_left"].flip(-1), views["turned_right"], rtol=0, atol=1e-4)


def test_cosines_by_hand_for_an_iresnet18(iresnet18, smooth_faces):
    with torch.no_grad():
        rows = augmentation_similarity.read(iresnet18, smooth_faces).numpy()
        embeddings = [iresnet18(images).double().numpy() for images in (smooth_faces, *_views(smooth_faces))]
    for image in range(4):
        whole, *views = [vectors[image] / np.linalg.norm(vectors[image]) for vectors in embeddings]
        between = sorted(float(views[i] @ views[j]) for i in range(7) for j in range(i))
        assert len(between) == 21
        np.testing.assert_allclose(rows[image], [*(view @ whole for view in views), *between], rtol=1e-4, atol=1e-5)


def test_a_symmetric_image_is_its_mirrored_view():
    face = torch.rand(1, 3, 20, 10, generator=torch.Generator().manual_seed(0))
    row = augmentation_similarity.read(nn.Flatten(), torch.cat([face, face.flip(-1)], dim=-1))[0]
    names = augmentation_similarity.column_names(nn.Flatten())
    assert abs(row[names.index("view.mirrored")] - 1) < 1e-6
    assert row[names.index("view.shifted")] < 0.999
