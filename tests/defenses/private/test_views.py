import torch

from faceleak.defenses.private.views import SHIFT, views

FACES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_one_view_is_the_image_itself():
    assert torch.equal(views(FACES, 1, torch.Generator()), FACES)


def test_views_of_an_image_stand_side_by_side_and_the_first_is_the_image():
    seen = views(FACES, 4, torch.Generator().manual_seed(0))
    assert seen.shape == (12, 3, 32, 32)
    assert torch.equal(seen[::4], FACES)


def test_each_other_view_is_the_image_moved_and_perhaps_mirrored():
    reach, mirrored = 32 // SHIFT, 0
    seen = views(FACES, 30, torch.Generator().manual_seed(0))
    inner = slice(2 * reach, 32 - 2 * reach)
    for number, view in enumerate(seen):
        image, matches = FACES[number // 30], []
        for mirror, turned in enumerate((view, view.flip(2))):
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    moved = turned.roll((down, right), (1, 2))[:, inner, inner]
                    if torch.equal(moved, image[:, inner, inner]):
                        matches.append(mirror)
        assert len(matches) == 1
        mirrored += matches[0]
    assert 25 < mirrored < 65  # of 87


def test_views_follow_the_generator():
    first, second, other = (views(FACES, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
