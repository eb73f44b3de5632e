import torch
from torch import nn

from faceleak.signals import registry

activation_map = registry.get_reader("activation_map")


def test_it_is_the_adaptive_pooling_of_the_last_layer_with_positions(iresnet18, smooth_faces, whole_inputs):
    with torch.no_grad():
        rows = activation_map.read(iresnet18, smooth_faces)
    _, inputs = whole_inputs["bn2"]
    assert inputs.shape == (4, 512, 3, 3)
    expected = nn.functional.adaptive_avg_pool2d(inputs, 4).flatten(1)
    rounding = torch.finfo(torch.float32).eps * 4 * float(inputs.abs().max())  # a cell is a mean of 4 at most
    torch.testing.assert_close(rows.double(), expected, rtol=0, atol=rounding)


def test_cells_are_means_of_the_inputs_row_by_row():
    image = torch.rand(1, 2, 8, 12, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(2))
    row = dict(zip(activation_map.column_names(net), activation_map.read(net, image)[0], strict=True))
    assert len(row) == 2 * 16
    for channel, down, across in ((0, 0, 0), (1, 0, 3), (1, 2, 1)):
        cell = image[0, channel, 2 * down : 2 * down + 2, 3 * across : 3 * across + 3].mean()
        torch.testing.assert_close(row[f"{channel}.{down}.{across}"], cell)
