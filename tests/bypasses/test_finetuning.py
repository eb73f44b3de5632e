from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, reestimate
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import embed
from faceleak.backbones.training import TrainingError
from faceleak.bypasses import finetuning
from faceleak.bypasses.finetuning import bypass
from tests.defenses.conftest import with_group_norm


@pytest.fixture
def longer(monkeypatch):
    """Small batches and more epochs, as there are few faces."""
    monkeypatch.setattr(finetuning, "BATCH_SIZE", 6)
    monkeypatch.setattr(finetuning, "EPOCHS", 12)


def separation(backbone, own) -> float:
    """Mean cosine of two images of a person minus that of two people."""
    embeddings = embed(backbone, own.store, own.images["image_id"], own.compute)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    people = own.images["identity"].to_numpy()
    same, itself = people[:, None] == people[None], np.eye(len(people), dtype=bool)
    cosines = embeddings @ embeddings.T
    return float(cosines[same & ~itself].mean() - cosines[~same].mean())


def test_it_learns_the_attackers_people(owner, own, longer):
    assert separation(bypass(owner.backbone, own), own) > separation(owner.backbone, own) + 0.2


def test_nothing_handed_in_changes_and_the_result_is_the_same_each_time(owner, own, tmp_path):
    own = replace(own, compute=own.compute.model_copy(update={"cache": tmp_path}))
    before = deepcopy(owner.backbone.state_dict())
    torch.manual_seed(1)
    first = bypass(owner.backbone, own)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert bypass(owner.backbone, own).weights_hash() == first.weights_hash()
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(owner.backbone.state_dict(), before, rtol=0, atol=0)
    assert not any(module.training for module in first.modules())
    assert not list(tmp_path.iterdir())  # whoever calls keeps the result


def test_statistics_are_those_of_the_attackers_faces(owner, own):
    finetuned = bypass(owner.backbone, own)
    again = reestimate(finetuned, own.store, own.images["image_id"], own.compute)
    for layer, expected in zip(bn_layers(finetuned.net).values(), bn_layers(again.net).values(), strict=True):
        assert torch.equal(layer.running_mean, expected.running_mean)


def test_group_normalization_has_none_to_estimate(owner, own):
    released = with_group_norm(owner.backbone)
    assert bypass(released, own).card.normalization == "group"
    assert bypass(released, own).weights_hash() != released.weights_hash()


def test_one_person_is_not_enough(owner, own):
    alone = own.images[own.images["identity"] == own.images["identity"].iloc[0]]
    with pytest.raises(TrainingError, match="1 person"):
        bypass(owner.backbone, replace(own, images=alone))


def test_a_class_of_the_users_own_with_inputs_that_are_no_squares_is_trained_too(own, longer, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "backbones"))
    card = BackboneCard(
        architecture="own_networks:Own",
        arguments={"size": 8, "width": 5},
        embedding_size=8,
        preprocessing=Preprocessing(image_size=(32, 16), fit="crop"),
    )
    released = Backbone(build(card), card).eval()
    finetuned = bypass(released, own)
    assert finetuned.card.model_copy(update={"training": {}}) == card
    assert finetuned.weights_hash() != released.weights_hash()
    assert separation(finetuned, own) > separation(released, own)
