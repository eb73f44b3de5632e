import math

import torch
from torch import nn, tensor

from faceleak.signals import registry
from faceleak.signals.bn_moments import MOMENTS, SMALLEST

bn_distance, bn_moments = (registry.get_reader(name) for name in ("bn_distance", "bn_moments"))


def test_it_agrees_with_a_calculation_by_hand():
    bn = nn.BatchNorm2d(1, eps=0.0)
    bn.running_mean, bn.running_var = tensor([1.0]), tensor([4.0])
    image = tensor([[[[1.0, 5.0], [3.0, 3.0]]]])
    # mean 3, variance 2: distance (3 − 1)² / 4 = 1, second moment (0 + 16 + 4 + 4) / 4 / 4 = 1.5, ratio 2 / 4
    expected = tensor([[0.0, math.log(1.5), math.log(0.5)]])
    torch.testing.assert_close(bn_moments.read(nn.Sequential(bn), image), expected)


def test_it_agrees_with_var_mean_at_every_layer_of_an_iresnet18(iresnet18, smooth_faces, whole_inputs):
    names = bn_moments.column_names(iresnet18.net)
    with torch.no_grad():
        rows = dict(zip(names, bn_moments.read(iresnet18, smooth_faces).double().T, strict=True))
    assert len(rows) == 3 * 31
    for name, (layer, whole) in whole_inputs.items():
        inputs = whole if whole.dim() == 4 else whole[..., None, None]
        usual = layer.running_mean.double()[:, None, None]
        usual_variance = layer.running_var.double() + layer.eps
        variance, mean = torch.var_mean(inputs, dim=(2, 3), correction=0)
        expected = {
            "log_distance": ((mean - usual[:, 0, 0]) ** 2 / usual_variance).mean(1),
            "log_second_moment": (((inputs - usual) ** 2).mean((2, 3)) / usual_variance).mean(1),
        }
        for moment, values in expected.items():
            logarithm = (values + SMALLEST).log()
            torch.testing.assert_close(rows[moment, name], logarithm, rtol=1e-4, atol=1e-4, msg=name)
        ratio = ((variance + layer.eps) / usual_variance).log().mean(1)
        torch.testing.assert_close(rows["log_variance_ratio", name], ratio, rtol=1e-3, atol=1e-3, msg=name)


def test_columns_go_moment_by_moment(tiny_backbone):
    names = bn_moments.column_names(tiny_backbone.net)
    layers = bn_distance.column_names(tiny_backbone.net)
    assert names == [(moment, layer) for moment in MOMENTS for layer in layers]


def test_its_distance_is_the_logarithm_of_the_bn_distance(tiny_backbone):
    faces = torch.rand(3, 3, 32, 32)
    distances = bn_distance.read(tiny_backbone, faces)
    moments = bn_moments.read(tiny_backbone, faces)
    torch.testing.assert_close(moments[:, : distances.shape[1]], (distances + SMALLEST).log())


def test_rounding_never_leaves_a_negative_moment():
    bn = nn.BatchNorm2d(1, eps=1e-5)
    bn.running_mean, bn.running_var = tensor([1000.1]), tensor([1e-6])
    # a constant at the running mean: E[v²] − 2·E[v]·u + u² in float32 would be anything around 0
    image = torch.full((1, 1, 7, 7), 1000.1)
    moments = bn_moments.read(nn.Sequential(bn), image)
    assert moments.isfinite().all()
    flat, varied = torch.full((1, 1, 8, 8), 1000.1), 1000.1 + torch.randn(1, 1, 8, 8)
    assert (bn_moments.read(nn.Sequential(bn), varied) > bn_moments.read(nn.Sequential(bn), flat))[0, 1:].all()
