from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import nn

from faceleak.backbones.batch_norm import bn_layers, reestimate
from faceleak.backbones.faces_input import to_tensor
from faceleak.defenses.bn_release import Settings, clipped_sum, defend, delta_of, noise_multiplier


def slow_delta(epsilon: float, deviation: float) -> float:
    """∫ max(0, p − e^ε·q) of two Gaussians whose means are 1 apart, by quadrature."""
    p, q = stats.norm(1, deviation), stats.norm(0, deviation)
    crossing = 0.5 + epsilon * deviation**2  # where p = e^ε·q
    excess = integrate.quad(
        lambda x: p.pdf(x) - np.exp(epsilon) * q.pdf(x), crossing, max(crossing, 1) + 40 * deviation, epsabs=1e-13
    )
    return excess[0]


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("deviation", [0.4, 1.0, 4.0])
def test_delta_agrees_with_an_integral(epsilon, deviation):
    assert delta_of(epsilon, deviation) == pytest.approx(slow_delta(epsilon, deviation), abs=1e-9, rel=1e-6)


@given(st.floats(0.01, 50), st.floats(1e-8, 0.5))
def test_the_multiplier_is_the_smallest_that_keeps_delta(epsilon, delta):
    multiplier = noise_multiplier(epsilon, delta)
    assert delta_of(epsilon, multiplier) <= delta
    assert delta_of(epsilon, 0.999 * multiplier) > delta


def test_the_multiplier_is_smaller_than_the_classical_one():
    # the classical bound √(2·ln(1.25/δ))/ε is 4.84, which is too cautious
    assert noise_multiplier(1.0, 1e-5) == pytest.approx(3.7304, abs=1e-3)


@pytest.fixture
def pixels(owner, owner_of):
    """The owner of one BN layer on the pixels, with private images."""
    return replace(owner_of(nn.Sequential(nn.BatchNorm2d(3))), training=owner.training)


def slow_contributions(owner, public) -> np.ndarray:
    """Each member's contribution, not clipped, one image after the other."""
    layer, people = public.net[0], []
    scale = (layer.running_var.double() + layer.eps).sqrt()[:, None, None]
    for _, images in owner.training.images.groupby("identity"):
        faces = to_tensor(owner.store.images(owner.store.positions(images["image_id"]), 32), torch.device("cpu"))
        a = [((owner.backbone.preprocess(face[None])[0] - layer.running_mean[:, None, None]) / scale) for face in faces]
        moments = [torch.cat([one.mean((1, 2)), (one**2).mean((1, 2)) - 1]) for one in a]
        people.append(torch.stack(moments).mean(0).numpy())
    return np.stack(people)


def public_view(owner):
    return reestimate(owner.backbone, owner.store, owner.public["image_id"], owner.compute)


@pytest.mark.parametrize("clipping", [0.2, 1e3])
def test_contributions_are_clipped_means_over_a_persons_images(clipping, pixels):
    public = public_view(pixels)
    people = slow_contributions(pixels, public)
    norms = np.linalg.norm(people, axis=1, keepdims=True)
    assert (norms > 0.2).any()
    expected = (people * np.minimum(1, clipping / norms)).sum(0)
    total = clipped_sum(public, pixels.store, pixels.training.images, clipping, pixels.compute)
    np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-5)


def test_without_a_person_the_sum_changes_by_no_more_than_the_clipping(owner):
    public, images = public_view(owner), owner.training.images
    whole = clipped_sum(public, owner.store, images, 0.5, owner.compute)
    assert len(whole) == 2 * sum(layer.num_features for layer in bn_layers(public.net).values())
    for person in images["identity"].unique():
        rest = clipped_sum(public, owner.store, images[images["identity"] != person], 0.5, owner.compute)
        assert np.linalg.norm(whole - rest) == pytest.approx(0.5, rel=1e-6)  # everybody is clipped here


def test_people_in_several_chunks_give_the_same_sum(owner, monkeypatch):
    public, images = public_view(owner), owner.training.images
    expected = clipped_sum(public, owner.store, images, 3.0, owner.compute)
    monkeypatch.setattr("faceleak.defenses.bn_release.PEOPLE_AT_ONCE", 2)
    shuffled = images.sample(frac=1, random_state=1)
    np.testing.assert_allclose(clipped_sum(public, owner.store, shuffled, 3.0, owner.compute), expected, rtol=1e-4)


def test_without_noise_and_clipping_the_statistics_are_those_of_the_members(pixels):
    # each member has six images, so that the mean over people is that over images
    layer = defend(pixels, Settings(epsilon=1e9, delta=0.1, clipping=1e3), 0).net[0]
    positions = pixels.store.positions(pixels.training.images["image_id"])
    faces = pixels.backbone.preprocess(to_tensor(pixels.store.images(positions, 32), torch.device("cpu"))).double()
    torch.testing.assert_close(layer.running_mean.double(), faces.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(layer.running_var.double(), faces.var((0, 2, 3)), rtol=1e-3, atol=1e-3)


def test_the_noise_has_the_deviation_that_the_card_states(pixels):
    public = public_view(pixels).net[0]
    settings = Settings(epsilon=1.0, clipping=0.01)
    released = [defend(pixels, settings, seed) for seed in range(60)]
    privacy = released[0].card.training["privacy"]
    means = torch.stack([backbone.net[0].running_mean for backbone in released]).double()
    relative = means / (public.running_var.double() + public.eps).sqrt()
    expected = privacy["noise_multiplier"] * 0.01 / 5  # five people
    # 180 numbers: a standard error of 5 %
    assert float(relative.std(0).square().mean().sqrt()) == pytest.approx(expected, rel=0.2)
    assert privacy["epsilon"] == 1.0
    assert privacy["delta"] == pytest.approx(1 / 50)
    assert privacy["unit"] == "identity"
    assert "not the weights" in privacy["covers"]
    assert privacy["noise_multiplier"] == noise_multiplier(1.0, 1 / 50)


def test_what_is_stored_reaches_the_result_by_no_other_way(owner):
    expected = defend(owner, Settings(epsilon=4.0), 0).weights_hash()
    other = deepcopy(owner.backbone)
    for layer in bn_layers(other.net).values():
        layer.running_mean += 3
        layer.running_var *= 2
    assert defend(replace(owner, backbone=other), Settings(epsilon=4.0), 0).weights_hash() == expected


def test_variances_stay_positive_under_much_noise(owner):
    released = defend(owner, Settings(epsilon=0.01, clipping=10.0), 0)
    public = public_view(owner)
    for layer, usual in zip(bn_layers(released.net).values(), bn_layers(public.net).values(), strict=True):
        assert (layer.running_var >= 0.0999 * usual.running_var).all()
    assert "training" not in released.card.training["privacy"]
    assert released.card.training["data_hash"] == owner.backbone.card.training["data_hash"]
