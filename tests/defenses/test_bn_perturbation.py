import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.defenses.bn_perturbation import defend

CHANNELS = 20_000


@pytest.fixture
def wide(tiny_backbone) -> Backbone:
    """A backbone of two BN layers with many channels, whose statistics lie on scales far apart."""
    net = nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.BatchNorm1d(CHANNELS))
    generator = torch.Generator().manual_seed(0)
    for layer in net:
        layer.running_mean.copy_(3 * torch.randn(CHANNELS, generator=generator))
        layer.running_var.copy_(torch.exp(4 * torch.randn(CHANNELS, generator=generator)))
    return Backbone(net, tiny_backbone.card)


def noise(before: nn.BatchNorm2d, after: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise on each channel's mean, relative to its scale, and on its log variance."""
    moved = (after.running_mean - before.running_mean).double() / before.running_var.double().sqrt()
    return moved, (after.running_var.double() / before.running_var.double()).log()


@pytest.mark.parametrize("strength", [0.1, 0.8])
def test_the_noise_has_the_scale_of_each_channel(strength, wide):
    for before, after in zip(wide.net, defend(wide, strength, seed=0).net, strict=True):
        on_mean, on_log_variance = noise(before, after)
        for part in (on_mean, on_log_variance):
            # 20,000 channels: standard errors 0.5 % of the spread, 0.7 % for the mean
            assert float(part.std()) == pytest.approx(strength, rel=0.03)
            assert float(part.mean()) == pytest.approx(0, abs=0.03 * strength)
            beyond = float((part.abs() > 2 * strength).double().mean())
            assert beyond == pytest.approx(0.0455, abs=0.007)  # as many as of a Gaussian
        assert abs(float(torch.corrcoef(torch.stack([on_mean, on_log_variance]))[0, 1])) < 0.03


def test_no_layer_gets_the_noise_of_another(wide):
    defended = defend(wide, 0.5, seed=0)
    first, second = (noise(before, after)[0] for before, after in zip(wide.net, defended.net, strict=True))
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.03


def test_the_same_noise_is_scaled_by_the_strength(wide):
    weak, strong = (noise(wide.net[0], defend(wide, strength, seed=4).net[0]) for strength in (0.1, 0.4))
    for small, large in zip(weak, strong, strict=True):
        torch.testing.assert_close(large, 4 * small, rtol=1e-2, atol=1e-3)


def test_nothing_but_the_running_statistics_changes(tiny_backbone):
    before, after = tiny_backbone.state_dict(), defend(tiny_backbone, 0.5, seed=0).state_dict()
    for name, tensor in after.items():
        perturbed = name.endswith(("running_mean", "running_var"))
        assert torch.equal(tensor, before[name]) != perturbed, name
        if perturbed:
            assert (tensor != before[name]).all(), name


def test_variances_stay_positive(tiny_backbone):
    for layer in bn_layers(defend(tiny_backbone, 5.0, seed=0)).values():
        assert (layer.running_var > 0).all()
