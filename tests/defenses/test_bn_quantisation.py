import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faceleak.defenses.bn_quantisation import Settings, defend, on_grid


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
    result = defend(owner_of(net), Settings(bits=1), 0).net
    assert result[0].running_mean.tolist() == [0, 0, 10]
    torch.testing.assert_close(result[0].running_var, torch.tensor([1.0, 100.0, 100.0]))
    assert result[1].running_mean.tolist() == [-1, 1]


def test_a_dead_channel_has_no_variance_afterwards_either(owner_of):
    layer = nn.BatchNorm2d(2)
    layer.running_var.copy_(torch.tensor([0.0, 3.0]))
    variance = defend(owner_of(nn.Sequential(layer)), Settings(bits=2), 0).net[0].running_var
    torch.testing.assert_close(variance, torch.tensor([0.0, 3.0]), atol=1e-6, rtol=1e-6)
    assert (variance >= 0).all()
