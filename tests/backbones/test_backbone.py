from copy import deepcopy

import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.placing import place_faces
from faceleak.backbones.release import Release
from faceleak.faces.canvas import Canvas


def backbone_with(net: nn.Module | None = None, **preprocessing) -> Backbone:
    """A backbone around `net`, or around nothing at all, so that what comes out is what went into the network."""
    card = BackboneCard(
        architecture="iresnet_tiny", embedding_size=4, preprocessing=Preprocessing(image_size=16, **preprocessing)
    )
    return Backbone(net or nn.Identity(), card)


def plain_faces(*color: float, size: int = 16) -> torch.Tensor:
    return torch.tensor(color).view(1, 3, 1, 1).expand(2, 3, size, size)


@pytest.mark.parametrize(
    ("order", "expected"),
    # (0.2 − 0.1) / 0.5, (0.4 − 0.2) / 0.25, (0.8 − 0.3) / 1; mean and std belong to the network's own channels
    [("RGB", (0.2, 0.8, 0.5)), ("BGR", (1.4, 0.8, -0.1))],
)
def test_preprocessing_by_hand(order, expected):
    backbone = backbone_with(color_order=order, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1.0))
    inputs = backbone.preprocess(plain_faces(0.2, 0.4, 0.8))
    torch.testing.assert_close(inputs, plain_faces(*expected))
    torch.testing.assert_close(backbone(plain_faces(0.2, 0.4, 0.8)), inputs)


def test_the_default_maps_0_to_1_onto_minus_1_to_1():
    torch.testing.assert_close(backbone_with().preprocess(plain_faces(0.0, 0.5, 1.0)), plain_faces(-1.0, 0.0, 1.0))


def test_faces_of_another_size_are_resized_with_antialiasing():
    backbone = backbone_with(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    # one white column in four, 64 wide: gray at 16 pixels; without antialiasing only the two middle columns would count
    fine = (torch.arange(64) % 4 == 0).float().expand(1, 3, 64, 64)
    shrunk = backbone.preprocess(fine)
    assert shrunk.shape == (1, 3, 16, 16)
    torch.testing.assert_close(shrunk[..., 2:-2], torch.full((1, 3, 16, 12), 0.25), atol=0.05, rtol=0)
    ramp = torch.linspace(0, 1, 8).expand(1, 3, 8, 8)
    grown = backbone.preprocess(ramp)[0, 0]
    assert (grown.diff(dim=1) >= 0).all()
    torch.testing.assert_close(grown[:, 0].mean() + grown[:, -1].mean(), torch.tensor(1.0))


def test_faces_that_fit_are_not_resampled():
    backbone = backbone_with(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    faces = torch.rand(2, 3, 16, 16)
    assert torch.equal(backbone.preprocess(faces), faces)


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_faces_of_another_aspect_are_placed_as_the_card_says(fit):
    preprocessing = Preprocessing(image_size=(16, 24), fit=fit, mean=(0.0,) * 3, std=(1.0,) * 3)
    backbone = Backbone(nn.Identity(), BackboneCard(architecture="a", embedding_size=1, preprocessing=preprocessing))
    assert backbone.canvas == Canvas(16, 24, fit)
    faces = torch.rand(2, 3, 16, 20)
    assert torch.equal(backbone(faces), place_faces(faces, backbone.canvas))
    assert backbone(faces).shape == (2, 3, 16, 24)


def test_gradients_pass_through_preprocessing():
    faces = torch.rand(1, 3, 24, 24, requires_grad=True)
    backbone_with(color_order="BGR")(faces).sum().backward()
    # every input pixel is (x − 0.5) / 0.5, and resizing hands on what the 16 × 16 × 3 inputs weigh
    assert float(faces.grad.sum()) == pytest.approx(2 * 16 * 16 * 3, rel=1e-5)


def test_only_the_network_belongs_to_the_state(tiny_backbone):
    assert all(name.startswith("net.") for name in tiny_backbone.state_dict())
    assert tiny_backbone.canvas == Canvas(32, 32)


def flip_one_bit(tensor: torch.Tensor) -> None:
    tensor.view(torch.int32)[(-1,) * tensor.dim()] ^= 1


@pytest.mark.parametrize("name", ["conv1.weight", "layer3.0.bn2.running_var", "features.running_mean"])
def test_the_hash_follows_every_bit_of_weights_and_statistics(name, tiny_backbone):
    twin = deepcopy(tiny_backbone)
    assert twin.weights_hash() == tiny_backbone.weights_hash()
    flip_one_bit(twin.net.state_dict()[name])
    assert twin.weights_hash() != tiny_backbone.weights_hash()


def test_the_hash_does_not_follow_memory_layout_or_mode(tiny_backbone):
    before = tiny_backbone.weights_hash()
    assert len(before) == 16
    assert tiny_backbone.train().weights_hash() == before
    tiny_backbone.net.to(memory_format=torch.contiguous_format)
    assert tiny_backbone.weights_hash() == before


def test_the_release_comes_last_and_without_one_nothing_is_done():
    backbone, faces = backbone_with(nn.Sequential(nn.AvgPool2d(16), nn.Flatten())), torch.rand(4, 3, 16, 16)
    plain = backbone.net(backbone.preprocess(faces))
    assert torch.equal(backbone(faces), plain)
    release = Release(noise=0.3, decimals=2, seed=1)
    released = Backbone(backbone.net, backbone.card.model_copy(update={"release": release}))
    assert torch.equal(released(faces), release.answer(plain))
    assert released.weights_hash() == backbone.weights_hash()
