"""Two processes that train one backbone, beside one: what they give, and what comes of a process that is killed."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.backbones.loading import CARD, HEAD, WEIGHTS, load_backbone
from faceleak.backbones.training import CHECKPOINT, TrainingError, train, train_backbones


@pytest.fixture
def together(piece, compute, tmp_path):
    """Make a piece that two processes train: as `piece`, in a cache of its own."""

    def make(**changes):
        two = compute.model_copy(update={"threads": 1, "training_processes": 2})
        return piece(compute=two, cache=tmp_path / "together", **changes)

    return make


def weights(backbone: Backbone) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in backbone.net.parameters()])


def assert_the_same_but_for_rounding(found: Backbone, expected: Backbone, untrained: Backbone) -> None:
    """Losses within 0.1 % of the first; weights within 2 % of their way; statistics within 1 % of a deviation.

    The first two losses, before rounding has grown, are the same to 1 in 100,000.
    """
    losses, expected_losses = (np.array(backbone.card.training["losses"]) for backbone in (found, expected))
    np.testing.assert_allclose(losses[:2], expected_losses[:2], rtol=1e-5)
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=1e-3 * expected_losses[0])
    way = (weights(expected) - weights(untrained)).norm()
    assert (weights(found) - weights(expected)).norm() < 0.02 * way
    layers = bn_layers(found.net)
    for name, layer in bn_layers(expected.net).items():
        (mean, variance), (found_mean, found_variance) = statistics(layer), statistics(layers[name])
        assert float(((found_mean - mean) / variance.sqrt()).abs().max()) < 0.01, name
        torch.testing.assert_close(found_variance, variance, rtol=0.01, atol=0)
        assert int(layers[name].num_batches_tracked) == int(layer.num_batches_tracked)


def kill_one_once_there_is(checkpoint: Path) -> None:
    while not checkpoint.exists():
        time.sleep(0.002)
    os.kill(multiprocessing.active_children()[-1].pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_two_processes_train_what_one_does_even_if_one_of_them_is_killed(piece, together):
    options = {"epochs": 10, "learning_rate": 0.0003}
    one, two = piece(**options), together(**options)
    assert one.folder.name == two.folder.name
    trained, untrained = train_backbones([one, piece(**options | {"epochs": 0})], one.compute)

    killer = threading.Thread(target=kill_one_once_there_is, args=(two.folder / CHECKPOINT,), daemon=True)
    killer.start()
    with pytest.raises(TrainingError, match=r"One of the 2 processes that train piece died.*run the same command"):
        train(two)
    killer.join()
    assert multiprocessing.active_children() == []
    assert not (two.folder / CARD).exists()
    before = torch.load(two.folder / CHECKPOINT)["losses"]

    train(two)
    backbone = load_backbone(two.folder)
    assert 1 <= len(before) < 10
    assert backbone.card.training["losses"][: len(before)] == before  # they are not trained again
    assert_the_same_but_for_rounding(backbone, trained, untrained)
    assert sorted(path.name for path in two.folder.iterdir()) == [CARD, WEIGHTS, HEAD]


def test_a_batch_that_cannot_be_shared_equally_is_an_error_before_anything_is_written(together):
    part = together(batch_size=7)
    with pytest.raises(TrainingError, match=r"piece has a batch_size of 7, which 2 processes cannot share equally"):
        train(part)
    assert not part.cache.exists()
