import pytest
import torch
from torch import nn

from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers, layer_inputs, reading, statistics
from faceleak.common.errors import FaceleakError


def hooks_of(net: nn.Module) -> list:
    return [hook for module in net.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]


def test_all_layers_are_found_by_name_in_the_order_of_definition(tiny_backbone):
    layers = bn_layers(tiny_backbone.net)
    assert list(layers)[:6] == [
        "bn1",
        "layer1.0.bn1",
        "layer1.0.bn2",
        "layer1.0.bn3",
        "layer1.0.downsample.1",
        "layer2.0.bn1",
    ]
    assert list(layers)[-2:] == ["bn2", "features"]
    assert len(layers) == 3 * 4 + 4 + 3
    assert layers["layer1.0.downsample.1"] is tiny_backbone.net.layer1[0].downsample[1]


def test_every_kind_of_batch_norm_with_statistics_counts_and_nothing_else():
    class OwnBatchNorm(nn.BatchNorm2d):
        """A subclass, as backbones from outside may have."""

    net = nn.Sequential(
        nn.BatchNorm1d(2),
        nn.BatchNorm2d(2),
        nn.BatchNorm3d(2),
        nn.SyncBatchNorm(2),
        OwnBatchNorm(2),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.GroupNorm(1, 2),
        nn.InstanceNorm2d(2, track_running_stats=True),
        nn.LayerNorm(2),
    )
    assert list(bn_layers(net)) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("net", [nn.Linear(2, 2), nn.BatchNorm2d(3, track_running_stats=False)])
def test_a_net_without_statistics_is_an_error_that_says_what_to_do(net):
    with pytest.raises(NoBatchNormError, match=r"no batch-normalization.*folded.*choose others"):
        bn_layers(net)
    assert issubclass(NoBatchNormError, FaceleakError)


def test_statistics_are_the_layers_own(tiny_backbone):
    layer = tiny_backbone.net.bn1
    assert statistics(layer)[0] is layer.running_mean
    assert statistics(layer)[1] is layer.running_var


def test_reading_restores_every_modules_own_mode_even_after_an_error(tiny_backbone):
    tiny_backbone.train()
    tiny_backbone.net.layer2.eval()
    tiny_backbone.net.layer2[0].prelu.train()
    before = {name: module.training for name, module in tiny_backbone.named_modules()}
    assert len(set(before.values())) == 2
    with reading(tiny_backbone):
        assert not any(module.training for module in tiny_backbone.modules())
    assert {name: module.training for name, module in tiny_backbone.named_modules()} == before
    with pytest.raises(KeyError), reading(tiny_backbone):
        raise KeyError
    assert {name: module.training for name, module in tiny_backbone.named_modules()} == before


def test_layer_inputs_are_what_enters_each_layer_at_each_pass(tiny_backbone):
    layers = bn_layers(tiny_backbone.net)
    faces = torch.rand(2, 3, 32, 32)
    stem = tiny_backbone.net.conv1(tiny_backbone.preprocess(faces))
    with layer_inputs(layers, lambda layer, inputs: (layer, inputs)) as seen:
        assert seen == {}
        tiny_backbone(faces)
        assert set(seen) == set(layers)
        assert all(seen[name][0] is layer for name, layer in layers.items())
        torch.testing.assert_close(seen["bn1"][1], stem)
        assert seen["features"][1].shape == (2, 16)
        tiny_backbone(faces[:1])
        assert seen["features"][1].shape == (1, 16)
    assert hooks_of(tiny_backbone) == []


def test_hooks_are_gone_after_an_error_in_the_block_in_the_pass_and_in_the_summary(tiny_backbone):
    layers = bn_layers(tiny_backbone.net)

    def fail(layer: nn.Module, inputs: torch.Tensor) -> None:
        raise KeyError

    with pytest.raises(ZeroDivisionError), layer_inputs(layers, lambda *_: None):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError), layer_inputs(layers, lambda *_: None):
        tiny_backbone(torch.rand(1, 7, 32, 32))
    with pytest.raises(KeyError), layer_inputs(layers, fail):
        tiny_backbone(torch.rand(1, 3, 32, 32))
    assert hooks_of(tiny_backbone) == []
