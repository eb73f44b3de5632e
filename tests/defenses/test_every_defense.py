"""What every defense must keep, whichever file of the room it is."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError
from faceleak.backbones.embedding import embed
from faceleak.backbones.training import train_backbones
from faceleak.bypasses import registry as bypasses
from faceleak.defenses import registry
from faceleak.defenses.owner import DefenseError

SETTINGS = {  # of each defense, and of each of its kinds
    "bn_folding": {},
    "bn_perturbation": {"strength": 0.5},
    "bn_release": {"epsilon": 8.0},
    "bn_statistics clipping": {"kind": "clipping", "width": 0.05},
    "bn_statistics quantization": {"kind": "quantization", "bits": 3},
    "bn_statistics reestimation": {"kind": "reestimation"},
    "bn_statistics shrinkage": {"kind": "shrinkage", "share": 0.5},
    "distillation": {"epochs": 2},
    "embedding_noise": {"strength": 0.5},
    "embedding_rounding": {"decimals": 1},
    "pruning": {"share": 0.5},
    "retraining": {"epochs": 1},
    "weight_noise": {"strength": 0.5},
}
NEUTRAL = {
    "bn_perturbation": {"strength": 0.0},
    "bn_statistics clipping": {"kind": "clipping", "width": 1e6},
    "bn_statistics shrinkage": {"kind": "shrinkage", "share": 0.0},
    "embedding_noise": {"strength": 0.0},
    "pruning": {"share": 0.0},
    "retraining": {"epochs": 2},  # as many as the target had
    "weight_noise": {"strength": 0.0},
}
ELSEWHERE = {"dp_training", "public_start"}  # tested by themselves: what they need takes longer
BY_CHANCE = {"bn_perturbation", "bn_release", "distillation", "retraining", "weight_noise"}
TRAINING = {"retraining"}
OF_STATISTICS = {name for name in SETTINGS if name.startswith("bn_")} - {"bn_release"}


def module_of(name):
    return registry.get(name.partition(" ")[0])


def defended(name, owner, seed=0, **settings):
    module = module_of(name)
    return module.defend(owner, module.Settings(**(settings or SETTINGS[name])), seed)


@pytest.fixture
def image_ids(demo_store):
    return demo_store.manifest()["image_id"].head(8)


def test_every_defense_of_the_room_is_tested_here():
    assert set(registry.names()) - ELSEWHERE == {name.partition(" ")[0] for name in SETTINGS}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_backbone_handed_in_stays_as_it_came_and_shares_nothing_with_the_result(name, owner):
    target = owner.backbone
    target.train()
    target.net.layer2.eval()
    before, card = deepcopy(target.state_dict()), target.card.model_copy(deep=True)
    modes = {part: module.training for part, module in target.named_modules()}
    result = defended(name, owner)
    for tensor in (*result.parameters(), *result.buffers()):
        tensor.data.fill_(7)
    torch.testing.assert_close(target.state_dict(), before, rtol=0, atol=0)
    assert {part: module.training for part, module in target.named_modules()} == modes
    assert target.card == card


@pytest.mark.parametrize("name", SETTINGS)
def test_the_result_follows_settings_and_seed_and_nothing_else(name, owner, tmp_path):
    elsewhere = replace(owner, compute=owner.compute.model_copy(update={"cache": tmp_path}))
    elsewhere = replace(elsewhere, training=replace(owner.training, cache=tmp_path / "backbones"))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = defended(name, owner)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = defended(name, elsewhere)
    assert (again.weights_hash(), again.card) == (first.weights_hash(), first.card)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    if name in BY_CHANCE:
        assert defended(name, owner, seed=1).weights_hash() != first.weights_hash()


@pytest.mark.parametrize("name", SETTINGS)
def test_the_result_is_used_like_the_target(name, owner, image_ids):
    result = defended(name, owner)
    assert isinstance(result, Backbone)
    assert not any(module.training for module in result.modules())
    assert result.card.preprocessing == owner.backbone.card.preprocessing
    embeddings = embed(result, owner.store, image_ids, owner.compute)
    assert embeddings.shape == (8, 16)
    if name != "bn_folding":
        assert not np.allclose(embeddings, embed(owner.backbone, owner.store, image_ids, owner.compute), atol=1e-3)


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_neutral_setting_leaves_everything_equal_to_the_bit(name, owner, image_ids):
    result = defended(name, owner, **NEUTRAL[name])
    torch.testing.assert_close(result.state_dict(), owner.backbone.state_dict(), rtol=0, atol=0)
    assert result.weights_hash() == owner.backbone.weights_hash()
    np.testing.assert_array_equal(
        embed(result, owner.store, image_ids, owner.compute),
        embed(owner.backbone, owner.store, image_ids, owner.compute),
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_what_bypasses_it_is_named_and_takes_the_result(name, owner, own, image_ids):
    result = defended(name, owner)
    assert module_of(name).BYPASSES
    before = deepcopy(result.state_dict()), result.card
    for bypass in module_of(name).BYPASSES:
        if bypass == "finetuning":
            continue  # its own test: it trains
        bypassed = bypasses.get(bypass).bypass(result, own)
        assert embed(bypassed, owner.store, image_ids, owner.compute).shape == (8, 16)
        assert not any(module.training for module in bypassed.modules())
        torch.testing.assert_close(result.state_dict(), before[0], rtol=0, atol=0)
        assert result.card == before[1]


@pytest.mark.parametrize("name", sorted(OF_STATISTICS))
def test_without_batch_norm_there_is_nothing_to_defend(name, owner, owner_of):
    without = replace(owner_of(nn.Conv2d(3, 2, 1)), training=owner.training)
    with pytest.raises(NoBatchNormError):
        defended(name, without)


@pytest.mark.parametrize("name", sorted(TRAINING | {"bn_release"}))
def test_what_needs_the_members_says_so_where_the_target_was_loaded(name, owner):
    with pytest.raises(DefenseError, match=r"target\.source `train`"):
        defended(name, replace(owner, training=None))


@pytest.mark.parametrize("name", sorted(TRAINING))
def test_what_is_trained_beforehand_is_found_again(name, owner, tmp_path, monkeypatch):
    owner = replace(owner, training=replace(owner.training, cache=tmp_path))
    module = module_of(name)
    settings = module.Settings(**SETTINGS[name])
    train_backbones(module.tasks(owner, settings, 0), owner.compute)

    def refuse(task):
        raise AssertionError("trained again")

    monkeypatch.setattr("faceleak.backbones.training.train", refuse)
    module.defend(owner, settings, 0)
