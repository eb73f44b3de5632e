import torch
from torch import nn

from faceleak.signals import registry
from faceleak.signals.moments import MOMENTS, SMALLEST

bn_moments, grouped = (registry.get_reader(name) for name in ("bn_moments", "bn_moments_grouped"))


def test_it_agrees_with_var_mean_of_every_group_of_an_iresnet18(iresnet18, smooth_faces, whole_inputs):
    with torch.no_grad():
        values = grouped.read(iresnet18, smooth_faces).double()
    rows = dict(zip(grouped.column_names(iresnet18.net), values.T, strict=True))
    assert len(rows) == 3 * 4 * 31
    for name, (layer, whole) in whole_inputs.items():
        inputs = whole if whole.dim() == 4 else whole[..., None, None]
        usual = layer.running_mean.double()[:, None, None]
        usual_variance = layer.running_var.double() + layer.eps
        variance, mean = torch.var_mean(inputs, dim=(2, 3), correction=0)
        width = layer.num_features // 4
        for group in range(4):
            own = slice(group * width, (group + 1) * width)
            expected = {
                "log_distance": (((mean - usual[:, 0, 0]) ** 2 / usual_variance)[:, own].mean(1) + SMALLEST).log(),
                "log_second_moment": (
                    (((inputs - usual) ** 2).mean((2, 3)) / usual_variance)[:, own].mean(1) + SMALLEST
                ).log(),
                "log_variance_ratio": ((variance + layer.eps) / usual_variance).log()[:, own].mean(1),
            }
            for moment, value in expected.items():
                torch.testing.assert_close(rows[f"{moment}.{name}.{group}"], value, rtol=1e-3, atol=1e-3, msg=name)


def test_the_mean_over_equal_groups_is_the_moment_of_the_layer(tiny_backbone):
    faces = torch.rand(3, 3, 32, 32)
    layers = len(bn_moments.column_names(tiny_backbone.net)) // 3
    whole, parts = bn_moments.read(tiny_backbone, faces), grouped.read(tiny_backbone, faces)
    assert parts.shape == (3, 3 * 4 * layers)
    by_layer = parts.reshape(3, 3, layers, 4)
    logarithms = whole.reshape(3, 3, layers)
    torch.testing.assert_close(by_layer[:, :2].exp().mean(3).log(), logarithms[:, :2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(by_layer[:, 2].mean(2), logarithms[:, 2], rtol=1e-4, atol=1e-4)


def test_a_layer_of_few_channels_is_one_group_as_in_the_plain_moments():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)).eval()
    names = grouped.column_names(net)
    assert names == [f"{moment}.{part}" for moment in MOMENTS for part in ("0.0", "2.0", "2.1", "2.2", "2.3")]
    faces = torch.rand(2, 3, 8, 8)
    rows, whole = grouped.read(net, faces), bn_moments.read(net, faces)
    torch.testing.assert_close(rows[:, ::5], whole[:, ::2])
