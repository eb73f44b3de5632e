from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers, reestimate
from faceleak.backbones.embedding import embed
from faceleak.backbones.faces_input import to_tensor
from faceleak.backbones.folding import fold
from faceleak.backbones.normalization import ScaleAndShift
from faceleak.bypasses.bn_insertion import bypass
from faceleak.signals import registry
from faceleak.signals.reading import read_signals
from tests.defenses.conftest import with_group_norm


@pytest.fixture(params=[fold, with_group_norm])
def without(request, owner) -> Backbone:
    """The target, folded, and with group normalization."""
    return request.param(owner.backbone)


def test_embeddings_stay_equal_to_the_bit(without, owner, own):
    ids = owner.public["image_id"]
    before, after = (embed(net, owner.store, ids, owner.compute) for net in (without, bypass(without, own)))
    np.testing.assert_array_equal(before, after)


def test_all_places_where_the_target_had_bn_are_observed_under_the_same_names(without, owner, own):
    observed = bypass(without, own)
    assert list(bn_layers(observed.net)) == list(bn_layers(owner.backbone.net))
    kinds = {name: isinstance(layer, nn.BatchNorm2d) for name, layer in bn_layers(owner.backbone.net).items()}
    assert {name: isinstance(layer, nn.BatchNorm2d) for name, layer in bn_layers(observed.net).items()} == kinds
    assert observed.weights_hash() != without.weights_hash()


def test_all_signals_of_bn_can_be_read(without, owner, own):
    names = [name for name in registry.names() if name.startswith("bn_")]
    with pytest.raises(NoBatchNormError):
        read_signals(names, without, owner.store, owner.public, owner.compute)
    table = read_signals(names, bypass(without, own), owner.store, owner.public, owner.compute)
    assert np.isfinite(table.drop(columns="image_id").to_numpy()).all()


def test_a_folded_target_shows_what_the_target_shows_with_statistics_of_the_same_faces(owner, own):
    # BN distance does not feel a scale and a shift of each channel, which are all that folding adds
    unfolded = bypass(fold(reestimate(owner.backbone, own.store, own.images["image_id"], own.compute)), own)
    plain = reestimate(owner.backbone, own.store, own.images["image_id"], own.compute)
    first, second = (
        read_signals(["bn_distance"], net, owner.store, owner.public, owner.compute) for net in (plain, unfolded)
    )
    first, second = first.drop(columns="image_id"), second.drop(columns="image_id")
    assert list(first) == list(second)
    assert [np.corrcoef(first[name], second[name])[0, 1] > 0.9 for name in first] == [True] * first.shape[1]


def test_observers_hold_the_statistics_of_what_they_see(own, owner):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    backbone = Backbone(net, owner.backbone.card).eval()
    observed = bypass(backbone, own)
    layers = bn_layers(observed.net)
    assert list(layers) == ["0.1", "2.1", "5.1"]  # behind each layer that has weights
    images = own.store.images(own.store.positions(own.images["image_id"]), 32)[:16]  # a batch; two are left over
    x = backbone.preprocess(to_tensor(images, torch.device("cpu")))
    for name, end in {"0.1": 1, "2.1": 3, "5.1": 6}.items():
        seen = net[:end](x).detach().double()
        dimensions = (0, 2, 3) if seen.dim() == 4 else (0,)
        torch.testing.assert_close(layers[name].running_mean.double(), seen.mean(dimensions), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layers[name].running_var.double(), seen.var(dimensions), rtol=1e-4, atol=1e-5)


def test_scale_and_shift_is_observed_in_front(own, owner):
    net = nn.Sequential(nn.ReLU(), ScaleAndShift(3), nn.Flatten())
    observed = bypass(Backbone(net, owner.backbone.card).eval(), own)
    assert list(bn_layers(observed.net)) == ["1"]


def test_a_target_with_bn_is_reestimated(owner, own):
    expected = reestimate(owner.backbone, own.store, own.images["image_id"], own.compute)
    assert bypass(owner.backbone, own).weights_hash() == expected.weights_hash()


def test_the_backbone_handed_in_stays_as_it_came(without, own):
    before, names = deepcopy(without.state_dict()), [name for name, _ in without.named_modules()]
    observed = bypass(without, own)
    torch.testing.assert_close(without.state_dict(), before, rtol=0, atol=0)
    assert [name for name, _ in without.named_modules()] == names
    assert not any(module.training for module in observed.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in observed.modules())


def test_where_there_is_no_place_nothing_can_be_measured(owner, own):
    with pytest.raises(NoBatchNormError):
        bypass(Backbone(nn.Flatten(), owner.backbone.card).eval(), own)
