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

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.backbones.loading import CARD, HEAD, WEIGHTS, load_backbone
from faceleak.backbones.training import CHECKPOINT, TrainingError, train


@pytest.fixture
def together(piece, compute, tmp_path):
    """Make a piece that two processes train: as `piece`, in a cache of its own."""

    def make(**changes):
        two = compute.model_copy(update={"threads": 1, "training_processes": 2})
        return piece(compute=two, cache=tmp_path / "together", **changes)

    return make


def assert_the_same_but_for_rounding(found: Backbone, expected: Backbone) -> None:
    """Losses within 0.1 %; weights within 1 % of the length of each; statistics within 1 % of a standard deviation."""
    losses = [backbone.card.training["losses"] for backbone in (found, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    for name, weight in expected.net.named_parameters():
        assert (found.net.get_parameter(name) - weight).norm() <= 0.01 * weight.norm() + 1e-4, name
    layers = bn_layers(found.net)
    for name, layer in bn_layers(expected.net).items():
        (mean, variance), (found_mean, found_variance) = statistics(layer), statistics(layers[name])
        assert float(((found_mean - mean) / variance.sqrt()).abs().max()) < 0.01, name
        torch.testing.assert_close(found_variance, variance, rtol=0.01, atol=0)
        assert int(layers[name].num_batches_tracked) == int(layer.num_batches_tracked)


def test_two_processes_train_what_one_does_and_leave_the_same_files(piece, together):
    options = {"epochs": 2, "learning_rate": 0.001}
    one, two = piece(**options), together(**options)
    assert one.folder.name == two.folder.name
    train(one)
    train(two)
    assert_the_same_but_for_rounding(load_backbone(two.folder), load_backbone(one.folder))
    assert sorted(path.name for path in two.folder.iterdir()) == [CARD, WEIGHTS, HEAD]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_the_others_and_all_go_on_after_the_last_epoch(together):
    part = together(epochs=12)
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
    before = torch.load(checkpoint)["losses"]
    train(part)
    losses = load_backbone(part.folder).card.training["losses"]
    assert len(before) < len(losses) == 12
    assert losses[: len(before)] == before
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_a_batch_that_cannot_be_shared_equally_is_an_error_before_anything_is_written(together):
    part = together(batch_size=7)
    with pytest.raises(TrainingError, match=r"piece has a batch_size of 7, which 2 processes cannot share equally"):
        train(part)
    assert not part.cache.exists()
