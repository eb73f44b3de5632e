import pytest
import torch

from faceleak.signals import pooling
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
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(3, 7, *positions, generator=generator).requires_grad_()
    plain = activations.double().reshape(3, 7, -1)
    mean, square = spatial_moments(activations)
    torch.testing.assert_close(mean, plain.mean(2).float())
    torch.testing.assert_close(square, (plain**2).mean(2).float())
    weights = torch.randn(2, 3, 7, generator=generator)
    (found,) = torch.autograd.grad((weights[0] * mean + weights[1] * square).sum(), activations)
    expected_loss = (weights[0] * plain.mean(2) + weights[1] * (plain**2).mean(2)).sum()
    (expected,) = torch.autograd.grad(expected_loss, activations)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [1, 50, 60, 150, 10**6])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_size_of_a_task_changes_nothing(size, layout, monkeypatch):
    monkeypatch.setattr(pooling, "TASK", size)  # an image holds 60 numbers: tasks of one, one, one, two and all five
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(5, 3, 5, 4, generator=generator).contiguous(memory_format=layout)
    mean, square = spatial_moments(activations)
    torch.testing.assert_close(mean, activations.double().mean((2, 3)).float())
    torch.testing.assert_close(square, activations.double().square().mean((2, 3)).float())


def test_the_gradient_of_one_moment_by_hand():
    activations = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mean, square = spatial_moments(activations)
    (of_mean,) = torch.autograd.grad(mean[1, 2].sum(), activations, retain_graph=True)
    (of_square,) = torch.autograd.grad(square[1, 2].sum(), activations)
    expected = torch.zeros(2, 3, 4, 4)
    expected[1, 2] = 1 / 16
    torch.testing.assert_close(of_mean, expected)
    torch.testing.assert_close(of_square, 2 * activations.detach() * expected)
