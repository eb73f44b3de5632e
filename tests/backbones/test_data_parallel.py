"""Two processes that train one backbone, beside one: what they give, and what comes of a process that is killed.

Training makes rounding grow, on each processor in its own way: what one and two processes give is compared before it
has grown, and what has grown is compared with the same number of processes alone, to the bit.
"""

import multiprocessing
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from faceleak.backbones import training
from faceleak.backbones.augmentation import augment
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.data_parallel import Share
from faceleak.backbones.loading import CARD, HEAD, WEIGHTS, load_backbone
from faceleak.backbones.training import TrainingError, train, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.work.checkpointed import CHECKPOINT
from faceleak.work.compute import ComputeOptions, run_together

from .of_shares import DeadlyStore, one_step, step_of_share


@pytest.fixture
def together(task, compute, tmp_path):
    """Make a task without BN that two processes train, in a cache of its own."""

    def make(**changes):
        two = compute.model_copy(update={"threads": 1, "training_processes": 2})
        return task(**{"compute": two, "cache": tmp_path / "together", "normalization": "group"} | changes)

    return make


@pytest.mark.slow
def test_a_step_of_two_processes_is_that_of_one(tmp_path):
    two = ComputeOptions(device="cpu", threads=1, training_processes=2)
    expected = one_step()
    for found in run_together(partial(step_of_share, tmp_path / "meeting"), two):
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-8, atol=1e-10, err_msg=name)


def weights(backbone: Backbone) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in (*backbone.net.parameters(), backbone.head.weight)])


@pytest.mark.slow
def test_the_first_step_goes_where_that_of_one_process_goes(task, together):
    options = {"epochs": 1, "batch_size": 24, "normalization": "group"}
    one, untrained = train_backbones([task(**options), task(**options | {"epochs": 0})], task().compute)
    (two,) = train_backbones([together(**options)], together().compute)
    way = (weights(one) - weights(untrained)).norm()
    assert (weights(two) - weights(one)).norm() < 1e-3 * way


@pytest.mark.slow
def test_two_processes_see_in_all_epochs_what_one_sees(task, together):
    options = {"learning_rate": 1e-12, "normalization": "group"}  # the weights stay, and so do differences of rounding
    alone, shared = task(**options), together(**options)
    assert alone.folder.name == shared.folder.name
    one, two = (train_backbones([part], part.compute)[0] for part in (alone, shared))
    np.testing.assert_allclose(two.card.training["losses"], one.card.training["losses"], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_training_of_which_a_process_was_killed_goes_on_to_the_same_weights(together, tmp_path):
    undisturbed, killed = together(), together(cache=tmp_path / "killed")
    train(undisturbed)

    deadly = DeadlyStore(killed.store.path, sign=killed.folder / CHECKPOINT)
    with pytest.raises(TrainingError, match=r"One of the 2 processes that train task died.*run the same command"):
        train(replace(killed, store=deadly))
    assert multiprocessing.active_children() == []
    assert not (killed.folder / CARD).exists()
    before = torch.load(killed.folder / CHECKPOINT)["state"]["losses"]

    train(killed)
    found, expected = (load_backbone(part.folder) for part in (killed, undisturbed))
    assert found.card.training["losses"] == expected.card.training["losses"]
    assert before == expected.card.training["losses"][:1]  # which is not trained again
    assert found.weights_hash() == expected.weights_hash()
    assert torch.equal(found.head.weight, expected.head.weight)
    assert sorted(path.name for path in killed.folder.iterdir()) == [CARD, WEIGHTS, HEAD]


def test_a_batch_that_cannot_be_shared_equally_is_an_error_before_anything_is_written(together):
    part = together(batch_size=7)
    with pytest.raises(TrainingError, match=r"task has a batch_size of 7, which 2 processes cannot share equally"):
        train(part)
    assert not part.cache.exists()


def test_backbones_whose_bn_nobody_keeps_together_are_refused_on_the_cpu(together):
    part = together(normalization="batch")
    with pytest.raises(TrainingError, match=r"task has batch normalization, and 2 processes.*training_processes to 1"):
        training._Run(part, Share(0, 2))
    assert not part.cache.exists()
    training._Run(part, Share(0, 1))


def test_shares_of_all_processes_are_the_batches_in_their_order():
    order = np.random.default_rng(0).permutation(24)
    first, second = (Share(rank, 2).positions(order, 8) for rank in range(2))
    for batch in range(3):
        both = np.concatenate([first[4 * batch : 4 * batch + 4], second[4 * batch : 4 * batch + 4]])
        assert (both == order[8 * batch : 8 * batch + 8]).all()
    assert (Share().positions(order, 8) == order).all()


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_see_the_faces_that_one_would_see(processes):
    faces = torch.rand((8, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    options = TrainingOptions(architecture="iresnet_tiny", epochs=1, augmentation="strong")
    generators = [np.random.default_rng(1) for _ in range(processes + 1)]
    for _ in range(2):  # generators must stay at the same draw
        whole = augment(faces, options, generators[-1])
        parts = [
            augment(own, options, generators[rank], Share(rank, processes))
            for rank, own in enumerate(faces.chunk(processes))
        ]
        assert torch.equal(torch.cat(parts), whole)
