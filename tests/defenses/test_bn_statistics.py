import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from faceleak.backbones.batch_norm import bn_layers, reestimate, statistics
from faceleak.bypasses import OwnFaces
from faceleak.bypasses.bn_reestimation import bypass
from faceleak.defenses.bn_statistics import Settings, defend, on_grid


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "clipping"}, "`kind: clipping` takes width, but none is given"),
        ({"kind": "clipping", "bits": 3}, "`kind: clipping` takes width, but bits is given"),
        ({"kind": "reestimation", "share": 0.5}, "`kind: reestimation` takes no other setting, but share is given"),
        ({"kind": "shrinkage", "share": 1.1}, "share"),
        ({"kind": "clipping", "width": -0.1}, "width"),
        ({"kind": "clipping", "width": float("inf")}, "width"),
        ({"kind": "quantization", "bits": 0}, "bits"),
        ({"kind": "quantization", "bits": 17}, "bits"),
        ({"kind": "blurring"}, "kind"),
        ({}, "kind"),
    ],
)
def test_a_kind_takes_its_own_setting_and_no_other(settings, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**settings)


@pytest.fixture
def outlying(owner_of):
    """The owner of one BN layer on the pixels, of which one mean and one variance lie far out."""
    owner = owner_of(nn.Sequential(nn.BatchNorm2d(3)))
    layer, public = owner.backbone.net[0], public_layer(owner)
    layer.running_mean.copy_(public.running_mean)
    layer.running_var.copy_(public.running_var)
    layer.running_mean[0] += 5 * public.running_var[0].sqrt()
    layer.running_var[1] *= 100
    return owner


def public_layer(owner) -> nn.BatchNorm2d:
    return reestimate(owner.backbone, owner.store, owner.public["image_id"], owner.compute).net[0]


def test_what_lies_out_is_brought_to_the_edge_of_the_public_range(outlying):
    layer, public = defend(outlying, Settings(kind="clipping", width=2), 0).net[0], public_layer(outlying)
    edge = public.running_mean[0] + 2 * public.running_var[0].sqrt()
    torch.testing.assert_close(layer.running_mean[0], edge)
    torch.testing.assert_close(layer.running_var[1], public.running_var[1] * torch.e**2)
    assert torch.equal(layer.running_mean[1:], public.running_mean[1:])
    assert torch.equal(layer.running_var[[0, 2]], public.running_var[[0, 2]])


def test_without_width_the_public_statistics_are_left(owner):
    public = reestimate(owner.backbone, owner.store, owner.public["image_id"], owner.compute)
    for layer, expected in zip(
        bn_layers(defend(owner, Settings(kind="clipping", width=0), 0)).values(),
        bn_layers(public).values(),
        strict=True,
    ):
        assert torch.equal(layer.running_mean, expected.running_mean)
        assert torch.equal(layer.running_var, expected.running_var)


def test_values_go_to_the_nearest_point_of_the_grid():
    # two bits: 0, 1, 2 and 3
    values = torch.tensor([0.0, 0.4, 0.6, 1.9, 3.0])
    torch.testing.assert_close(on_grid(values, 2), torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0]))
    torch.testing.assert_close(on_grid(values, 1), torch.tensor([0.0, 0.0, 0.0, 3.0, 3.0]))


@pytest.mark.parametrize("same", [[2.5], [2.5, 2.5]])
def test_equal_values_stay(same):
    assert on_grid(torch.tensor(same), 4).tolist() == same


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.integers(1, 16))
def test_there_are_at_most_as_many_values_as_bits_allow_and_none_moves_by_more_than_half_a_step(values, bits):
    values = torch.tensor(values, dtype=torch.float64)
    coarse = on_grid(values, bits)
    step = float(values.max() - values.min()) / (2**bits - 1)
    assert len(coarse.unique()) <= 2**bits
    assert float((coarse - values).abs().max()) <= step / 2 + 1e-9


def test_means_and_log_variances_of_each_layer_have_their_own_grid(owner_of):
    net = nn.Sequential(nn.BatchNorm2d(3, eps=0.0), nn.BatchNorm2d(2, eps=0.0))
    net[0].running_mean.copy_(torch.tensor([0.0, 4.0, 10.0]))
    net[0].running_var.copy_(torch.tensor([1.0, 20.0, 100.0]))  # on a scale of logarithms 20 is nearer to 100
    net[1].running_mean.copy_(torch.tensor([-1.0, 1.0]))
    result = defend(owner_of(net), Settings(kind="quantization", bits=1), 0).net
    assert result[0].running_mean.tolist() == [0, 0, 10]
    torch.testing.assert_close(result[0].running_var, torch.tensor([1.0, 100.0, 100.0]))
    assert result[1].running_mean.tolist() == [-1, 1]


def test_a_dead_channel_has_no_variance_afterwards_either(owner_of):
    layer = nn.BatchNorm2d(2)
    layer.running_var.copy_(torch.tensor([0.0, 3.0]))
    variance = defend(owner_of(nn.Sequential(layer)), Settings(kind="quantization", bits=2), 0).net[0].running_var
    torch.testing.assert_close(variance, torch.tensor([0.0, 3.0]), atol=1e-6, rtol=1e-6)
    assert (variance >= 0).all()


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_statistics_go_their_share_of_the_way_to_public_ones(share, owner):
    public = defend(owner, Settings(kind="reestimation"), 0)
    layers = [bn_layers(backbone.net).values() for backbone in (owner.backbone, public)]
    for moved, own, other in zip(
        bn_layers(defend(owner, Settings(kind="shrinkage", share=share), 0).net).values(), *layers, strict=True
    ):
        for result, start, end in zip(*map(statistics, (moved, own, other)), strict=True):
            torch.testing.assert_close(result, (1 - share) * start + share * end)
            assert share < 1 or torch.equal(result, end)


def test_weights_stay(owner):
    before = dict(owner.backbone.named_parameters())
    for name, weights in defend(owner, Settings(kind="shrinkage", share=1), 0).named_parameters():
        assert torch.equal(weights, before[name])


def test_public_faces_are_what_the_bypass_would_take(owner):
    expected = bypass(owner.backbone, OwnFaces(owner.store, owner.public, owner.compute))
    assert defend(owner, Settings(kind="reestimation"), 0).weights_hash() == expected.weights_hash()
