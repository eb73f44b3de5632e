import pytest
import torch

from faceleak.signals.pooling import spatial_mean


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
