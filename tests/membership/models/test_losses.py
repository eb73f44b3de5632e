import numpy as np
import torch
from scipy.stats import norm

from faceleak.membership.models.losses import cross_entropy, gaussian


def test_cross_entropy_by_hand():
    loss = cross_entropy(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(loss, [np.log(2), np.log(1 + np.exp(2))], rtol=1e-6)


def test_the_gaussian_loss_is_the_density_less_its_constant():
    outputs = torch.tensor([[1.0, 0.5], [-2.0, -1.0]])
    expected = -norm.logpdf([3.0, -1.0], [1.0, -2.0], np.exp([0.5, -1.0])) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(gaussian(outputs, torch.tensor([3.0, -1.0])), expected, rtol=1e-6)


def test_scales_stay_within_bounds():
    loss = gaussian(torch.tensor([[0.0, -1e9], [0.0, 1e9]]), torch.tensor([1.0, 1.0]))
    assert torch.isfinite(loss).all()
