import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.defenses.bn_perturbation import Settings, defend

CHANNELS = 20_000


@pytest.fixture
def wide(owner_of):
    """The owner of a backbone of two BN layers with many channels, whose statistics lie on scales far apart."""
    net = nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.BatchNorm1d(CHANNELS))
    generator = torch.Generator().manual_seed(0)
    for layer in net:
        layer.running_mean.copy_(3 * torch.randn(CHANNELS, generator=generator))
        layer.running_var.copy_(torch.exp(4 * torch.randn(CHANNELS, generator=generator)))
    return owner_of(net)


def perturbed(owner, strength: float, kind: str = "gaussian", seed: int = 0) -> Backbone:
    return defend(owner, Settings(strength=strength, noise=kind), seed)


def noise(before: nn.BatchNorm2d, after: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise on each channel's mean, relative to its scale, and on its log variance."""
    moved = (after.running_mean - before.running_mean).double() / before.running_var.double().sqrt()
    return moved, (after.running_var.double() / before.running_var.double()).log()


# of a Gaussian 4.55 % lie beyond two deviations; of Laplace exp(−2√2) = 5.91 %
@pytest.mark.parametrize(("kind", "tail"), [("gaussian", 0.0455), ("laplace", 0.0591)])
@pytest.mark.parametrize("strength", [0.1, 0.8])
def test_the_noise_has_the_scale_of_each_channel(strength, kind, tail, wide):
    for before, after in zip(wide.backbone.net, perturbed(wide, strength, kind).net, strict=True):
        on_mean, on_log_variance = noise(before, after)
        for part in (on_mean, on_log_variance):
            # 20,000 channels: standard errors 0.5 % of the spread (Laplace 0.8 %), 0.7 % for the mean
            assert float(part.std()) == pytest.approx(strength, rel=0.03)
            assert float(part.mean()) == pytest.approx(0, abs=0.03 * strength)
            assert float((part.abs() > 2 * strength).double().mean()) == pytest.approx(tail, abs=0.007)
        assert abs(float(torch.corrcoef(torch.stack([on_mean, on_log_variance]))[0, 1])) < 0.03


def test_no_layer_gets_the_noise_of_another(wide):
    layers = zip(wide.backbone.net, perturbed(wide, 0.5).net, strict=True)
    first, second = (noise(before, after)[0] for before, after in layers)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.03


def test_the_same_noise_is_scaled_by_the_strength(wide):
    weak, strong = (noise(wide.backbone.net[0], perturbed(wide, strength, seed=4).net[0]) for strength in (0.1, 0.4))
    for small, large in zip(weak, strong, strict=True):
        torch.testing.assert_close(large, 4 * small, rtol=1e-2, atol=1e-3)


def test_nothing_but_the_running_statistics_changes(owner):
    before, after = owner.backbone.state_dict(), perturbed(owner, 0.5).state_dict()
    for name, tensor in after.items():
        changes = name.endswith(("running_mean", "running_var"))
        assert torch.equal(tensor, before[name]) != changes, name
        if changes:
            assert (tensor != before[name]).all(), name


def test_variances_stay_positive(owner):
    for layer in bn_layers(perturbed(owner, 5.0)).values():
        assert (layer.running_var > 0).all()
