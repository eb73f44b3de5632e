import numpy as np
import pytest

from faceleak.backbones.embedding import embed
from faceleak.defenses import embedding_rounding
from faceleak.defenses.embedding_noise import Settings, defend


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_the_noise_is_relative_to_each_embedding(strength, owner):
    ids = owner.store.manifest()["image_id"]
    plain = embed(owner.backbone, owner.store, ids, owner.compute)
    noisy = embed(defend(owner, Settings(strength=strength), 0), owner.store, ids, owner.compute)
    relative = (noisy - plain) / np.sqrt((plain**2).mean(1, keepdims=True))
    # 72 × 16 numbers: a standard error of 2 %
    assert relative.std() == pytest.approx(strength, rel=0.1)
    assert relative.mean() == pytest.approx(0, abs=0.1 * strength)


def test_weights_stay_and_the_seed_gives_other_noise(owner):
    ids = owner.public["image_id"]
    first, second = (defend(owner, Settings(strength=0.5), seed) for seed in (0, 1))
    assert first.net.state_dict().keys() == owner.backbone.net.state_dict().keys()
    assert all((a == b).all() for a, b in zip(first.net.parameters(), owner.backbone.net.parameters(), strict=True))
    embeddings = [embed(backbone, owner.store, ids, owner.compute) for backbone in (first, second, first)]
    assert not np.allclose(embeddings[0], embeddings[1])
    np.testing.assert_array_equal(embeddings[0], embeddings[2])


def test_noise_and_rounding_go_together(owner):
    from dataclasses import replace

    rounded = embedding_rounding.defend(owner, embedding_rounding.Settings(decimals=2), 0)
    release = defend(replace(owner, backbone=rounded), Settings(strength=0.5), 3).card.release
    assert (release.noise, release.decimals, release.seed) == (0.5, 2, 3)
