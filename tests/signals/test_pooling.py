import pytest
import torch

from faceleak.signals.pooling import spatial_mean, spatial_moments


@pytest.mark.parametrize("positions", [(), (1,), (6,), (5, 4), (2, 3, 4)])
def test_all_positions_are_averaged_however_many_dimensions_they_have(positions):
    activations = torch.randn(3, 7, *positions)
    expected = activations.double().reshape(3, 7, -1).mean(2).float()
    torch.testing.assert_close(spatial_mean(activations), expected)


def test_the_layout_in_memory_changes_nothing():
    activations = torch.randn(3, 7, 5, 4)
    last = activations.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(spatial_mean(last), spatial_mean(activations))


@pytest.mark.parametrize("positions", [(), (40, 40)])
def test_half_precision_is_averaged_in_float32(positions):
    activations = torch.randn(2, 3, *positions).bfloat16()
    mean = spatial_mean(activations)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, spatial_mean(activations.float()))


@pytest.mark.parametrize("positions", [(), (6,), (5, 4)])
def test_moments_and_their_gradients_are_those_of_the_plain_formula(positions):
    activations = torch.randn(3, 7, *positions, dtype=torch.float32, requires_grad=True)
    plain = activations.double().reshape(3, 7, -1)
    mean, square = spatial_moments(activations)
    torch.testing.assert_close(mean.double(), plain.mean(2), check_dtype=False)
    torch.testing.assert_close(square.double(), (plain**2).mean(2), check_dtype=False)
    weights = torch.randn(2, 3, 7)
    (found,) = torch.autograd.grad((weights[0] * mean + weights[1] * square).sum(), activations)
    expected_loss = (weights[0] * plain.mean(2) + weights[1] * (plain**2).mean(2)).sum()
    (expected,) = torch.autograd.grad(expected_loss, activations)
    torch.testing.assert_close(found, expected)
