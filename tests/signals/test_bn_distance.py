import torch
from torch import nn, tensor

from faceleak.signals import registry

bn_distance = registry.get_reader("bn_distance")


def test_it_agrees_with_a_calculation_by_hand():
    bn = nn.BatchNorm2d(2, eps=0.0)
    bn.running_mean, bn.running_var = tensor([1.0, 0.0]), tensor([4.0, 1.0])
    image = torch.full((1, 2, 4, 4), 3.0)
    # channel 0: (3 − 1)² / 4 = 1, channel 1: (3 − 0)² / 1 = 9; their mean is 5
    torch.testing.assert_close(bn_distance.read(nn.Sequential(bn), image), tensor([[5.0]]))


def test_positions_are_averaged_before_they_are_compared():
    bn = nn.BatchNorm2d(1, eps=0.5)
    image = tensor([[[[-4.0, 8.0], [0.0, 0.0]]]])
    # the mean of the four positions is 1, and (1 − 0)² / (1 + 0.5) = 2/3
    torch.testing.assert_close(bn_distance.read(nn.Sequential(bn), image), tensor([[2 / 3]]))


def test_a_layer_without_positions_compares_its_input_itself():
    bn = nn.BatchNorm1d(3, eps=0.0)
    bn.running_mean = tensor([1.0, 1.0, 1.0])
    torch.testing.assert_close(bn_distance.read(nn.Sequential(bn), tensor([[1.0, 2.0, 3.0]])), tensor([[5 / 3]]))


def test_scale_and_shift_of_the_layer_do_not_matter():
    bn = nn.BatchNorm2d(2)
    image = torch.rand(3, 2, 4, 4)
    before = bn_distance.read(nn.Sequential(bn), image)
    nn.init.constant_(bn.weight, 7)
    nn.init.constant_(bn.bias, -3)
    torch.testing.assert_close(bn_distance.read(nn.Sequential(bn), image), before)


def test_it_agrees_with_the_plain_formula_at_every_layer_of_an_iresnet18(iresnet18, smooth_faces, whole_inputs):
    names = bn_distance.column_names(iresnet18.net)
    assert len(names) == 31
    assert set(names) == set(whole_inputs)
    assert names != list(whole_inputs)  # the shortcuts run before the blocks' own layers: position is not enough
    with torch.no_grad():
        distances = bn_distance.read(iresnet18, smooth_faces)
    for column, name in enumerate(names):
        layer, inputs = whole_inputs[name]
        mean = inputs.mean((2, 3)) if inputs.dim() == 4 else inputs
        squares = (mean - layer.running_mean.double()) ** 2
        expected = (squares / (layer.running_var.double() + layer.eps)).mean(1)
        torch.testing.assert_close(distances[:, column].double(), expected, rtol=1e-4, atol=1e-6, msg=name)


def test_no_two_layers_of_the_reference_could_be_confused(iresnet18, smooth_faces):
    with torch.no_grad():
        distances = bn_distance.read(iresnet18, smooth_faces).T  # (layers, faces)
    ratios = (distances[:, None] / distances).log().abs().amax(2) + torch.eye(len(distances))
    assert (ratios > 1e-3).all()
