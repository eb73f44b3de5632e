import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard
from faceleak.backbones.presets import PRESETS, UnknownPresetError, resolve

VALUES = torch.tensor([0.0, 51.0, 255.0])  # red, green, blue as bytes
IMAGENET = (VALUES / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("arcface", (112, 112), VALUES / 127.5 - 1),
        ("facenet", (160, 160), (VALUES - 127.5) / 128),
        ("imagenet", (112, 112), IMAGENET),
        ("sphereface", (112, 96), (VALUES.flip(0) - 127.5) / 128),
    ],
)
def test_every_preset_does_what_its_repository_does(name, size, expected):
    card = BackboneCard(architecture="a", embedding_size=1, preprocessing=PRESETS[name])
    faces = (VALUES / 255).view(1, 3, 1, 1).expand(1, 3, *size)
    found = Backbone(nn.Identity(), card)(faces)
    assert found.shape == (1, 3, *size)  # nothing was resized
    torch.testing.assert_close(found[0, :, 5, 7], expected)


def test_all_presets_are_tested():
    assert set(PRESETS) == {"arcface", "facenet", "imagenet", "sphereface"}


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(UnknownPresetError, match="Known: arcface, facenet, imagenet, sphereface"):
        resolve({"preset": "nothing like it"})


def test_a_block_without_a_preset_is_left_as_it_is():
    assert resolve({"image_size": 64}) == {"image_size": 64}
