from math import sqrt

import numpy as np
import pytest
import torch

from faceleak.backbones.embedding import embed
from faceleak.defenses.weight_noise import Settings, defend


@pytest.mark.parametrize("strength", [0.1, 2.0])
def test_the_noise_is_relative_to_each_tensor_and_keeps_its_scale(strength, owner):
    before = dict(owner.backbone.net.named_parameters())
    for name, weights in defend(owner, Settings(strength=strength), 0).net.named_parameters():
        if weights.numel() < 4000:
            continue
        size = float(before[name].detach().square().mean().sqrt())
        noise = weights.detach() * sqrt(1 + strength**2) - before[name].detach()
        assert float(noise.std()) == pytest.approx(strength * size, rel=0.05), name
        assert float(weights.detach().square().mean().sqrt()) == pytest.approx(size, rel=0.05), name


def test_statistics_stay(owner):
    before = dict(owner.backbone.named_buffers())
    for name, tensor in defend(owner, Settings(strength=1.0), 0).named_buffers():
        assert torch.equal(tensor, before[name])


def similarities(owner, backbone) -> np.ndarray:
    """Of all pairs of public faces, after the mean embedding is taken off."""
    embeddings = embed(backbone, owner.store, owner.public["image_id"], owner.compute)
    embeddings = embeddings - embeddings.mean(0)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]


def test_strong_noise_leaves_nothing_of_the_target(owner):
    plain = embed(owner.backbone, owner.store, owner.public["image_id"], owner.compute)
    cosines = []
    for seed in range(20):
        noisy = embed(defend(owner, Settings(strength=1e6), seed), owner.store, owner.public["image_id"], owner.compute)
        cosines += [(plain * noisy).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(noisy, axis=1)]
    # in 16 dimensions directions by chance have a cosine of 0 ± 0.25, and its mean over 20 draws ± 0.06
    assert abs(np.mean(cosines)) < 0.2
    assert np.abs(cosines).mean() < 0.35


def test_only_the_seed_says_what_strong_noise_leaves(owner, owner_of):
    """Another target of the same scale gives the same embeddings."""
    from copy import deepcopy

    other = deepcopy(owner.backbone.net)
    with torch.no_grad():
        for weights in other.parameters():
            weights.copy_(weights.flatten().flip(0).view_as(weights))  # the same numbers in other places
    ids = owner.public["image_id"]
    first, second = (
        embed(defend(an_owner, Settings(strength=1e7), 0), owner.store, ids, owner.compute)
        for an_owner in (owner, owner_of(other))
    )
    np.testing.assert_allclose(first, second, rtol=1e-2, atol=1e-2 * np.abs(first).max())


def test_weak_noise_changes_little_and_more_noise_more(owner):
    plain = similarities(owner, owner.backbone)
    agreements = [
        np.corrcoef(plain, similarities(owner, defend(owner, Settings(strength=strength), 0)))[0, 1]
        for strength in (0.01, 0.3, 100.0)
    ]
    assert agreements == sorted(agreements, reverse=True)
    assert agreements[0] > 0.99
