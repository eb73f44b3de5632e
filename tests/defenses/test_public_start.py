from dataclasses import replace

import pytest
import torch

from faceleak.backbones.training import TrainingPiece, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.public_start import Settings, defend, pieces

OPTIONS = TrainingOptions(
    architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, batch_size=8, learning_rate=0.05, scale=16
)
COLUMNS = ["image_id", "identity", "sha256"]


@pytest.fixture
def owner(tiny_backbone, demo_store, demo_splits, compute) -> Owner:
    members, public = (demo_splits[demo_splits["role"] == role] for role in ("member", "auxiliary"))
    piece = TrainingPiece("target", demo_store, members[COLUMNS], OPTIONS, compute, compute.cache / "backbones")
    return Owner(tiny_backbone, piece, demo_store, public, compute)


def test_it_is_the_targets_training_on_the_public_people(owner):
    expected = replace(owner.training, name="expected", images=owner.public[COLUMNS])
    (piece,) = pieces(owner, Settings(), seed=0)
    assert (piece.name, piece.options, piece.data_hash) == ("public_start", OPTIONS, expected.data_hash)
    assert not set(piece.images["identity"]) & set(owner.training.images["identity"])
    defended, trained = defend(owner, Settings(), seed=0), train_backbones([expected], owner.compute)[0]
    torch.testing.assert_close(defended.state_dict(), trained.state_dict(), rtol=0, atol=0)
    assert defended.card.training["data_hash"] == expected.data_hash
    assert not defended.training


def test_another_seed_trains_another_one(owner):
    assert [pieces(owner, Settings(), seed)[0].options.seed for seed in (0, 5)] == [0, 5]


def test_a_loaded_target_is_an_error(owner):
    with pytest.raises(DefenseError, match="the target was loaded"):
        defend(replace(owner, training=None), Settings(), seed=0)
