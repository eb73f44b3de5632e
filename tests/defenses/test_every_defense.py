"""What every defence must keep, whichever file of the room it is."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError
from faceleak.backbones.embedding import embed
from faceleak.defenses import registry

NAMES = registry.names()


@pytest.mark.parametrize("name", NAMES)
def test_strength_0_leaves_everything_as_it_was_to_the_bit(name, tiny_backbone):
    defended = registry.get(name).defend(tiny_backbone, 0.0, seed=3)
    torch.testing.assert_close(defended.state_dict(), tiny_backbone.state_dict(), rtol=0, atol=0)
    assert defended.weights_hash() == tiny_backbone.weights_hash()


@pytest.mark.parametrize("name", NAMES)
def test_the_backbone_handed_in_stays_as_it_came_and_shares_nothing_with_the_result(name, tiny_backbone):
    tiny_backbone.train()
    tiny_backbone.net.layer2.eval()
    before = deepcopy(tiny_backbone.state_dict())
    modes = {part: module.training for part, module in tiny_backbone.named_modules()}
    defended = registry.get(name).defend(tiny_backbone, 0.5, seed=0)
    for tensor in (*defended.parameters(), *defended.buffers()):
        tensor.data.fill_(7)
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert {part: module.training for part, module in tiny_backbone.named_modules()} == modes


@pytest.mark.parametrize("name", NAMES)
def test_the_result_follows_strength_and_seed_and_nothing_else(name, tiny_backbone):
    defend = registry.get(name).defend
    torch.manual_seed(1)
    expected = defend(tiny_backbone, 0.5, seed=0).weights_hash()
    torch.manual_seed(2)
    assert defend(tiny_backbone, 0.5, seed=0).weights_hash() == expected
    assert defend(tiny_backbone, 0.5, seed=1).weights_hash() != expected
    assert defend(tiny_backbone, 0.6, seed=0).weights_hash() != expected
    assert tiny_backbone.weights_hash() != expected


@pytest.mark.parametrize("name", NAMES)
def test_the_global_generator_is_left_alone(name, tiny_backbone):
    before = torch.get_rng_state()
    registry.get(name).defend(tiny_backbone, 0.5, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.2, 2.0])
def test_the_result_is_used_like_the_target(name, strength, tiny_backbone, demo_store, compute):
    defended = registry.get(name).defend(tiny_backbone, strength, seed=0)
    assert isinstance(defended, Backbone)
    assert defended.card == tiny_backbone.card
    assert list(defended.state_dict()) == list(tiny_backbone.state_dict())
    image_ids = demo_store.manifest()["image_id"].head(8)
    embeddings = embed(defended, demo_store, image_ids, compute)
    assert embeddings.shape == (8, 16)
    assert not np.allclose(embeddings, embed(tiny_backbone, demo_store, image_ids, compute))


@pytest.mark.parametrize("name", NAMES)
def test_more_strength_changes_more(name, tiny_backbone, demo_store, compute):
    image_ids = demo_store.manifest()["image_id"].head(16)
    plain = embed(tiny_backbone, demo_store, image_ids, compute)
    cosines = []
    for strength in (0.01, 0.1, 1.0):
        moved = embed(registry.get(name).defend(tiny_backbone, strength, seed=0), demo_store, image_ids, compute)
        cosines.append(
            float(np.mean((plain * moved).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(moved, axis=1)))
        )
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] > 0.9


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("bn_")])
def test_a_backbone_without_batch_norm_is_an_error(name, tiny_backbone):
    with pytest.raises(NoBatchNormError):
        registry.get(name).defend(Backbone(nn.Conv2d(3, 2, 1), tiny_backbone.card), 0.5, seed=0)
