import pytest
import torch
from torch import nn

from faceleak.backbones.batch_norm import bn_layers
from faceleak.defenses.bn_clipping import Settings, defend
from faceleak.defenses.undoing.bn_reestimation import reestimate


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
    layer, public = defend(outlying, Settings(width=2), 0).net[0], public_layer(outlying)
    edge = public.running_mean[0] + 2 * public.running_var[0].sqrt()
    torch.testing.assert_close(layer.running_mean[0], edge)
    torch.testing.assert_close(layer.running_var[1], public.running_var[1] * torch.e**2)
    assert torch.equal(layer.running_mean[1:], public.running_mean[1:])
    assert torch.equal(layer.running_var[[0, 2]], public.running_var[[0, 2]])


def test_without_width_the_public_statistics_are_left(owner):
    public = reestimate(owner.backbone, owner.store, owner.public["image_id"], owner.compute)
    for layer, expected in zip(
        bn_layers(defend(owner, Settings(width=0), 0)).values(), bn_layers(public).values(), strict=True
    ):
        assert torch.equal(layer.running_mean, expected.running_mean)
        assert torch.equal(layer.running_var, expected.running_var)
