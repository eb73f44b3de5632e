import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.normalization import ScaleAndShift, group_size, of_embeddings, of_maps


def test_scale_and_shift_by_hand():
    layer = ScaleAndShift(2)
    layer.load_state_dict({"weight": torch.tensor([2.0, -1.0]), "bias": torch.tensor([0.5, 3.0])})
    assert layer(torch.tensor([[1.0, 1.0], [0.0, -4.0]])).tolist() == [[2.5, 2.0], [0.5, 7.0]]
    maps = layer(torch.ones(1, 2, 3, 2))
    assert maps.shape == (1, 2, 3, 2)
    assert (maps[0, 0] == 2.5).all()
    assert (maps[0, 1] == 2.0).all()


def test_a_fresh_scale_and_shift_changes_nothing_and_is_all_parameters():
    layer, maps = ScaleAndShift(3), torch.randn(2, 3, 4, 4)
    assert torch.equal(layer(maps), maps)
    assert [name for name, _ in layer.named_parameters()] == list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(
    ("channels", "expected"), [(16, 8), (8, 8), (12, 6), (10, 10), (7, 7), (30, 6), (13, 13), (1, 1)]
)
def test_group_sizes_by_hand(channels, expected):
    assert group_size(channels) == expected


@given(st.integers(1, 600))
def test_a_group_size_divides_and_no_other_divisor_is_nearer_to_8(channels):
    size = group_size(channels)
    assert channels % size == 0
    assert all(abs(other - 8) >= abs(size - 8) for other in range(1, channels + 1) if channels % other == 0)


def test_groups_of_channels_are_normalized_each_by_itself():
    maps = torch.randn(2, 16, 3, 3) * torch.rand(1, 16, 1, 1) + torch.arange(16.0).view(1, 16, 1, 1)
    normal = of_maps("group", 16)(maps)
    for image, found in zip(maps, normal, strict=True):
        for group in (slice(0, 8), slice(8, 16)):
            expected = (image[group] - image[group].mean()) / (image[group].var(correction=0) + 1e-5).sqrt()
            torch.testing.assert_close(found[group], expected)


def test_embeddings_are_normalized_over_their_own_coordinates():
    normal = of_embeddings("group", 6)(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])).detach()
    assert float(normal.mean()) == pytest.approx(0, abs=1e-6)
    assert float(normal.var(correction=0)) == pytest.approx(1, abs=1e-4)


def test_with_group_normalization_no_image_depends_on_the_others_even_in_training(tiny_backbone):
    faces = torch.rand(4, 3, 32, 32)
    card = tiny_backbone.card.model_copy(update={"normalization": "group"})
    alone, together = [], []
    for net, rows in ((build(card), alone), (tiny_backbone.net, together)):
        backbone = Backbone(net, card).train()
        rows += [backbone(faces)[:2], backbone(faces[:2])]
    torch.testing.assert_close(*alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(*together, rtol=1e-2)  # batch norm


@pytest.mark.parametrize(("normalization", "layer"), [("batch", nn.BatchNorm1d), ("group", nn.LayerNorm)])
def test_the_scale_of_embeddings_is_one_and_stays_so(normalization, layer):
    normal = of_embeddings(normalization, 5)
    assert isinstance(normal, layer)
    assert (normal.weight == 1).all()
    assert (normal.weight.requires_grad, normal.bias.requires_grad) == (False, True)
