from dataclasses import replace

import pytest
import torch

from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.public_start import Settings, defend, tasks

OPTIONS = TrainingOptions(
    architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, batch_size=8, learning_rate=0.05, scale=16
)
COLUMNS = ["image_id", "identity", "sha256"]


@pytest.fixture
def owner(tiny_backbone, demo_store, demo_splits, compute) -> Owner:
    members, public = (demo_splits[demo_splits["role"] == role] for role in ("member", "auxiliary"))
    task = TrainingTask("target", demo_store, members[COLUMNS], OPTIONS, compute, compute.cache / "backbones")
    return Owner(tiny_backbone, task, demo_store, public, compute)


def test_it_is_the_targets_training_on_the_public_people(owner):
    expected = replace(owner.training, name="expected", images=owner.public[COLUMNS])
    (task,) = tasks(owner, Settings(), seed=0)
    assert (task.name, task.options, task.data_hash) == ("public_start", OPTIONS, expected.data_hash)
    assert not set(task.images["identity"]) & set(owner.training.images["identity"])
    defended, trained = defend(owner, Settings(), seed=0), train_backbones([expected], owner.compute)[0]
    torch.testing.assert_close(defended.state_dict(), trained.state_dict(), rtol=0, atol=0)
    assert defended.card.training["data_hash"] == expected.data_hash
    assert not defended.training


def test_another_seed_trains_another_one(owner):
    assert [tasks(owner, Settings(), seed)[0].options.seed for seed in (0, 5)] == [0, 5]


def test_a_loaded_target_is_an_error(owner):
    with pytest.raises(DefenseError, match="the target was loaded"):
        defend(replace(owner, training=None), Settings(), seed=0)
