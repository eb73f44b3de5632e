import torch
from torch import nn

from faceleak.defenses.group_norm import Settings, defend, pieces, with_group_norm


def test_all_weights_are_taken_over_and_the_statistics_dropped(owner):
    target = owner.backbone
    converted = with_group_norm(target)
    weights = dict(target.net.named_parameters())
    assert set(weights) == set(converted.net.state_dict())
    for name, tensor in converted.net.state_dict().items():
        assert torch.equal(tensor, weights[name])
    assert isinstance(converted.net.layer1[0].bn1, nn.GroupNorm)
    assert converted.card == target.card.model_copy(update={"normalisation": "group"})


def test_without_an_epoch_it_is_the_converted_target(owner):
    assert defend(owner, Settings(epochs=0), 0).weights_hash() == with_group_norm(owner.backbone).weights_hash()


def test_training_starts_there_with_the_targets_options(owner):
    (piece,) = pieces(owner, Settings(epochs=1), seed=2)
    changes = {"epochs": 1, "normalisation": "group", "seed": owner.training.options.seed + 2}
    assert piece.options == owner.training.options.model_copy(update=changes)
    assert piece.images is owner.training.images
    assert defend(owner, Settings(epochs=1), 0).weights_hash() != with_group_norm(owner.backbone).weights_hash()
