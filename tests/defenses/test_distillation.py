from dataclasses import replace

import numpy as np
import pytest
import torch

from faceleak.backbones.embedding import embed
from faceleak.defenses.distillation import Settings, _Distillation, defend
from faceleak.defenses.owner import DefenseError
from faceleak.work.checkpointed import CHECKPOINT


@pytest.fixture
def elsewhere(owner, tmp_path):
    """The same owner with a cache where nothing was distilled yet."""
    return replace(owner, compute=owner.compute.model_copy(update={"cache": tmp_path}))


def agreement(owner, student) -> float:
    ids = owner.public["image_id"]
    wanted, given = (embed(backbone, owner.store, ids, owner.compute) for backbone in (owner.backbone, student))
    return float(np.mean((wanted * given).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(given, axis=1)))


@pytest.mark.slow
def test_the_student_comes_to_answer_like_the_target(owner):
    little, much = (defend(owner, Settings(epochs=epochs), 0) for epochs in (1, 60))
    assert agreement(owner, much) > 0.6
    assert agreement(owner, much) > agreement(owner, little) + 0.2


def test_it_never_sees_an_image_but_the_public_ones(elsewhere, monkeypatch):
    owner, seen = elsewhere, []
    images = owner.store.images
    monkeypatch.setattr(owner.store, "images", lambda rows, size: (seen.extend(map(int, rows)), images(rows, size))[1])
    defend(owner, Settings(epochs=2), 0)
    assert set(seen) == set(map(int, owner.store.positions(owner.public["image_id"])))


def test_it_starts_from_weights_of_its_own_and_says_what_it_comes_from(owner):
    student = defend(owner, Settings(epochs=1), 0)
    assert student.card.training["distilled_from"] == owner.backbone.weights_hash()
    assert student.card.architecture == owner.backbone.card.architecture
    weight, of_target = student.net.fc.weight.detach().flatten(), owner.backbone.net.fc.weight.detach().flatten()
    assert abs(float(torch.corrcoef(torch.stack([weight, of_target]))[0, 1])) < 0.3


def test_the_order_of_the_public_faces_does_not_matter(owner, elsewhere):
    shuffled = replace(elsewhere, public=owner.public.sample(frac=1, random_state=0))
    settings = Settings(epochs=1)
    assert defend(shuffled, settings, 0).weights_hash() == defend(owner, settings, 0).weights_hash()


def test_what_was_interrupted_ends_at_the_same_student_to_the_bit(owner, elsewhere, monkeypatch):
    step, epochs = _Distillation.step, []

    def until_the_third(run):
        epochs.append(run.done)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        step(run)

    monkeypatch.setattr(_Distillation, "step", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        defend(elsewhere, Settings(epochs=4), 0)
    found = defend(elsewhere, Settings(epochs=4), 0)
    assert epochs == [0, 1, 2, 2, 3]
    assert not list(elsewhere.compute.cache.rglob(CHECKPOINT))
    assert defend(elsewhere, Settings(epochs=4), 0).weights_hash() == found.weights_hash()
    assert len(epochs) == 5  # found in the cache
    assert defend(owner, Settings(epochs=4), 0).weights_hash() == found.weights_hash()
    assert len(epochs) == 9


@pytest.mark.parametrize("faces", [0, 1])
def test_without_public_faces_there_is_nothing_to_learn_from(faces, owner):
    with pytest.raises(DefenseError, match=f"there are {faces}"):
        defend(replace(owner, public=owner.public.head(faces)), Settings(epochs=1), 0)
