from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.loading import CARD, load_backbone
from faceleak.backbones.training import train_backbones
from faceleak.defenses.retraining import Settings, defend, tasks


def test_what_is_given_replaces_what_the_target_had_and_the_rest_stays(owner):
    changes = {"epochs": 7, "weight_decay": 0.01, "augmentation": "strong", "normalization": "group"}
    (task,) = tasks(owner, Settings(**changes), seed=3)
    before = owner.training.options
    assert task.options == before.model_copy(update={**changes, "seed": before.seed + 3})
    assert task.images is owner.training.images
    assert task.start is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "retraining replaces nothing"),
        ({"epochs": None}, "retraining replaces nothing"),
        ({"frozen_statistics": True, "normalization": "group"}, "about batch normalization"),
        ({"augmentation": "weak"}, "augmentation"),
        ({"epochs": -1}, "epochs"),
    ],
)
def test_what_means_nothing_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**settings)


def test_group_normalization_leaves_no_statistics(owner):
    ungrouped = defend(owner, Settings(normalization="group", epochs=1), 0)
    assert ungrouped.card.normalization == "group"
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in ungrouped.modules())


def test_frozen_statistics_are_those_of_a_start_on_public_faces(owner, tmp_path):
    owner = replace(owner, training=replace(owner.training, cache=tmp_path))
    settings = Settings(frozen_statistics=True, epochs=1)
    (start,) = tasks(owner, settings, 0)  # the rest cannot be trained yet
    assert set(start.images["identity"]) == set(owner.public["identity"])
    assert start.options == owner.training.options
    train_backbones([start], owner.compute)
    (task,) = tasks(owner, settings, 0)
    assert task.start == start.folder
    assert set(task.images["identity"]) == set(owner.training.images["identity"])
    result, public = defend(owner, settings, 0), load_backbone(start.folder)
    for layer, expected in zip(bn_layers(result.net).values(), bn_layers(public.net).values(), strict=True):
        assert torch.equal(layer.running_mean, expected.running_mean)
        assert torch.equal(layer.running_var, expected.running_var)
    assert not torch.equal(result.net.conv1.weight, public.net.conv1.weight)
    assert (task.folder / CARD).exists()


def test_frozen_statistics_train_their_start_where_nobody_did(owner, tmp_path):
    owner = replace(owner, training=replace(owner.training, cache=tmp_path))
    result = defend(owner, Settings(frozen_statistics=True, epochs=1), 0)
    assert result.card.training["frozen_statistics"] is True
    assert result.card.training["start"]["images"] == len(owner.public)
