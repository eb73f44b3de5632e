"""Two processes that train one backbone, beside one: what they give, and what comes of a process that is killed."""

import multiprocessing
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch

from faceleak.backbones.loading import CARD, HEAD, WEIGHTS, load_backbone
from faceleak.backbones.training import CHECKPOINT, TrainingError, train


@pytest.fixture
def together(piece, compute, tmp_path):
    """Make a piece that two processes train: as `piece`, in a cache of its own."""

    def make(**changes):
        two = compute.model_copy(update={"threads": 1, "training_processes": 2})
        return piece(compute=two, cache=tmp_path / "together", **changes)

    return make


def assert_the_same_but_for_rounding(found, expected) -> None:
    losses = [backbone.card.training["losses"] for backbone in (found, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    state = expected.net.state_dict()
    assert list(found.net.state_dict()) == list(state)
    for name, tensor in found.net.state_dict().items():
        difference = (tensor - state[name]).float().norm()
        assert float(difference) <= 5e-3 * float(state[name].float().norm()) + 1e-5, name


def test_two_processes_train_what_one_does_and_leave_the_same_files(piece, together):
    options = {"epochs": 2, "learning_rate": 0.005, "augmentation": "strong"}
    one, two = piece(**options), together(**options)
    assert one.folder.name == two.folder.name
    train(one)
    train(two)
    assert_the_same_but_for_rounding(load_backbone(two.folder), load_backbone(one.folder))
    assert sorted(path.name for path in two.folder.iterdir()) == [CARD, WEIGHTS, HEAD]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_the_others_and_all_go_on_after_the_last_epoch(piece, together):
    options = {"epochs": 40, "learning_rate": 0.005}
    part = together(**options)
    checkpoint = part.folder / CHECKPOINT
    killed = []

    def kill_one() -> None:
        while not checkpoint.exists():
            time.sleep(0.01)
        killed.append(multiprocessing.active_children()[-1].pid)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    with pytest.raises(
        TrainingError, match=r"One of the 2 processes that train piece died.*run the same command again"
    ):
        train(part)
    killer.join()
    assert killed
    assert multiprocessing.active_children() == []
    assert not (part.folder / CARD).exists()
    epoch = torch.load(checkpoint)["epoch"]
    assert epoch < 39
    train(part)
    losses = load_backbone(part.folder).card.training["losses"]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    one = piece(**options)
    train(one)
    np.testing.assert_allclose(losses, load_backbone(one.folder).card.training["losses"], rtol=0.02)


def test_a_batch_that_cannot_be_shared_equally_is_an_error_before_anything_is_written(together):
    part = together(batch_size=7)
    with pytest.raises(TrainingError, match=r"piece has a batch_size of 7, which 2 processes cannot share equally"):
        train(part)
    assert not part.cache.exists()
