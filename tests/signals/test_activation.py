import pytest
import torch
from torch import nn

from faceleak.backbones.batch_norm import NoBatchNormError
from faceleak.signals import registry
from faceleak.signals.columns import column_names

activation = registry.get_reader("activation")


def test_columns_are_the_channel_means_at_the_layers_that_they_name(iresnet18, smooth_faces, whole_inputs):
    names = activation.column_names(iresnet18.net)
    with torch.no_grad():
        rows = activation.read(iresnet18, smooth_faces)
    layers = list(dict.fromkeys(layer for layer, _ in names))
    assert [whole_inputs[layer][0].num_features for layer in layers] == [64, 128, 256, 512]
    for column, (layer, channel) in enumerate(names):
        inputs = whole_inputs[layer][1][:, int(channel)].flatten(1)
        rounding = torch.finfo(torch.float32).eps * inputs.abs().sum(1)  # of a sum, for each of its terms
        assert (rows[:, column].double() - inputs.mean(1)).abs().le(rounding).all(), (layer, channel)


def test_the_last_layer_of_every_width_is_taken():
    widths = (2, 3, 3, 2, 4)
    channels = zip((3, *widths), widths, strict=False)
    blocks = [nn.Sequential(nn.Conv2d(before, after, 1), nn.BatchNorm2d(after)) for before, after in channels]
    names = activation.column_names(nn.Sequential(*blocks))
    assert column_names("activation", names) == [
        f"activation.{name}"
        for name in ("3.1.0", "3.1.1", "2.1.0", "2.1.1", "2.1.2", "4.1.0", "4.1.1", "4.1.2", "4.1.3")
    ]


def test_an_embedding_as_wide_as_a_stage_does_not_take_its_place(tiny_backbone):
    assert tiny_backbone.net.features.num_features == tiny_backbone.net.layer1[0].bn3.num_features
    assert not [layer for layer, _ in activation.column_names(tiny_backbone.net) if layer == "features"]


@pytest.mark.parametrize("name", ["activation", "activation_map"])
def test_a_backbone_whose_layers_see_no_positions_is_an_error(name):
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4))
    with pytest.raises(NoBatchNormError, match="none is two-dimensional"):
        registry.get_reader(name).read(net, torch.rand(2, 3, 2, 2))
