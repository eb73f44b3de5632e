from dataclasses import replace

import pandas as pd
import pytest
import torch

from faceleak.backbones.training import TrainingTask
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses import public_start
from faceleak.defenses.dp_training import Settings, defend, tasks
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.private import training
from faceleak.defenses.private.errors import BufferMovedError, PrivateStartError
from faceleak.work.compute import ComputeOptions

OPTIONS = TrainingOptions(
    architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, batch_size=8, learning_rate=0.05, scale=16
)
COLUMNS = ["image_id", "identity", "sha256"]
PRIVATE_SETTINGS = Settings(epsilon=4.0, steps=4, units_per_step=3)


@pytest.fixture
def own_cache(compute, tmp_path) -> ComputeOptions:
    return compute.model_copy(update={"cache": tmp_path})


@pytest.fixture
def owner(tiny_backbone, demo_store, demo_splits, compute, own_cache) -> Owner:
    """The start comes from the cache of all tests, what is private from that of one."""
    members, public = (demo_splits[demo_splits["role"] == role] for role in ("member", "auxiliary"))
    task = TrainingTask("target", demo_store, members[COLUMNS], OPTIONS, compute, compute.cache / "backbones")
    return Owner(tiny_backbone, task, demo_store, public, own_cache)


def test_the_tasks_are_those_of_the_public_start_for_every_seed(owner):
    expected = public_start.tasks(owner, public_start.Settings(), seed=0)
    for seed in (0, 7):
        assert [task.folder for task in tasks(owner, PRIVATE_SETTINGS, seed)] == [task.folder for task in expected]


def test_the_release_has_the_statistics_of_the_start_and_a_claim_in_its_card(owner):
    start = public_start.defend(owner, public_start.Settings(), seed=0)
    released = defend(owner, PRIVATE_SETTINGS, seed=0)
    torch.testing.assert_close(dict(released.named_buffers()), dict(start.named_buffers()), rtol=0, atol=0)
    assert released.weights_hash() != start.weights_hash()
    assert list(released.net.state_dict()) == list(start.net.state_dict())
    card = released.card
    assert (card.architecture, card.preprocessing) == (start.card.architecture, start.card.preprocessing)
    assert card.training["data_hash"] == owner.training.data_hash
    assert card.training["start"]["data_hash"] == start.card.training["data_hash"]
    claim = card.training["privacy"]
    assert 3.9 < claim["epsilon"] <= 4
    assert claim["delta"] == pytest.approx(1 / (10 * owner.training.images["identity"].nunique()))
    assert (claim["unit"], claim["steps"]) == ("identity", 4)


def test_the_result_is_found_again_and_no_checkpoint_stays(owner, own_cache, monkeypatch):
    first = defend(owner, PRIVATE_SETTINGS, seed=0)
    monkeypatch.setattr(training.PrivateRun, "step", None)
    assert defend(owner, PRIVATE_SETTINGS, seed=0).weights_hash() == first.weights_hash()
    assert not list(own_cache.cache.rglob("checkpoint.pt"))
    with pytest.raises(TypeError):  # another seed is another training
        defend(owner, PRIVATE_SETTINGS, seed=1)


def test_without_epsilon_nothing_is_claimed(owner):
    assert "privacy" not in defend(owner, PRIVATE_SETTINGS.model_copy(update={"epsilon": None}), 0).card.training


def test_moving_statistics_make_the_defense_fail_and_leave_nothing(owner, own_cache, monkeypatch):
    monkeypatch.setattr(training, "training_mode", lambda net: net.train())
    monkeypatch.setattr(training, "check_modes", lambda net: None)
    with pytest.raises(BufferMovedError, match="ε does not cover them"):
        defend(owner, PRIVATE_SETTINGS, seed=0)
    assert not list(own_cache.cache.rglob("backbone.json"))


def test_a_start_on_private_people_is_refused(owner):
    mixed = replace(owner, public=pd.concat([owner.public, owner.training.images.head(3)]))
    with pytest.raises(PrivateStartError, match="shares 3 images"):
        defend(mixed, PRIVATE_SETTINGS, seed=0)


def test_a_loaded_target_is_an_error(owner):
    with pytest.raises(DefenseError, match="the target was loaded"):
        defend(replace(owner, training=None), PRIVATE_SETTINGS, seed=0)


def test_no_code_runs_in_private_training_that_is_not_in_the_key(owner, tmp_path, not_in_keys):
    compute = owner.compute.model_copy(update={"cache": tmp_path})
    fresh = replace(owner, compute=compute, training=replace(owner.training, cache=tmp_path, compute=compute))
    assert not_in_keys(lambda: defend(fresh, PRIVATE_SETTINGS, seed=0)) == set()
