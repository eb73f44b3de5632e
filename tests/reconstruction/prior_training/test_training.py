import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from faceleak.reconstruction.prior_training import training
from faceleak.reconstruction.prior_training.task import PriorTask, PriorTrainingError
from faceleak.reconstruction.prior_training.trained import CARD, WEIGHTS
from faceleak.reconstruction.prior_training.training import rounds, train_prior
from faceleak.work.checkpointed import CHECKPOINT


@pytest.fixture
def rounds_trained(monkeypatch) -> list[int]:
    """The numbers of the rounds that are trained from here on."""
    numbers: list[int] = []
    step = training._Run.step

    def noted(run):
        numbers.append(run.done)
        step(run)

    monkeypatch.setattr(training._Run, "step", noted)
    return numbers


def trained(task: PriorTask) -> list[bytes]:
    """The weights after every round."""
    train_prior(task)
    return [(task.after(number) / WEIGHTS).read_bytes() for number in range(task.options.rounds)]


@pytest.fixture(scope="module")
def expected(task_in, tmp_path_factory) -> list[bytes]:
    """What uninterrupted training gives."""
    return trained(task_in(tmp_path_factory.mktemp("expected")))


def test_neither_the_order_of_the_rows_nor_the_global_generator_changes_anything(task, images, expected):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    shuffled = task(faces=images.sample(frac=1, random_state=3))
    assert trained(shuffled) == expected
    assert torch.equal(torch.get_rng_state(), before)
    assert shuffled.folder == task().folder


def test_another_seed_gives_another_prior(task, expected):
    assert trained(task(seed=1, images=8)) != expected[:1]


KILLED = """
import os, pickle, signal, sys
from faceleak.work.checkpointed import CHECKPOINT
from faceleak.reconstruction.prior_training import training

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_in(owner, name, call):
    original, calls = getattr(owner, name), []
    def method(*arguments, **named):
        result = original(*arguments, **named)
        calls.append(1)
        if len(calls) == call:
            die()
        return result
    setattr(owner, name, method)

for when, task in pickle.loads(sys.stdin.buffer.read()).items():
    if os.fork() == 0:  # before torch has computed anything, so that no thread is lost
        if when == "in round 1":
            dies_in(training.Gan, "step", 3)
        elif when == "before the checkpoint of round 1":
            dies_in(training, "save_trained_prior", 2)
        elif when == "while saving round 1":
            save = training.torch.save
            training.torch.save = lambda content, path: (save(content, path), content["done"] == 2 and die())
        else:
            dies_in(training._Run, "save", int(when.removeprefix("after round ")) + 1)
        training.train_prior(task)
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_training_that_was_killed_ends_at_the_same_prior_to_the_bit(task, tmp_path, expected, rounds_trained):
    left = {
        "in round 1": [1, 2],
        "before the checkpoint of round 1": [1, 2],
        "while saving round 1": [1, 2],
        "after round 1": [2],
        "after round 2": [],
    }
    tasks = {when: task(cache=tmp_path / when) for when in left}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED],
        input=pickle.dumps(tasks),
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert killed.stdout.split() == [str(-signal.SIGKILL).encode()] * len(tasks)
    for when, numbers in left.items():
        rounds_trained.clear()
        assert trained(tasks[when]) == expected, when
        assert rounds_trained == numbers, when


def test_more_images_go_on_where_fewer_ended(task, expected, rounds_trained):
    assert trained(task(images=16)) == expected[:2]
    assert trained(task(images=24)) == expected
    assert rounds_trained == [0, 1, 2]


def test_a_prior_in_the_cache_is_not_trained_again_and_gives_its_history(task, rounds_trained):
    first = [prior.card for prior in rounds(task())]
    assert [prior.card for prior in rounds(task())] == first
    assert rounds_trained == [0, 1, 2]
    assert [card.state["images_shown"] for card in first] == [8, 16, 24]
    assert {"generator_loss", "discriminator_loss", "memory_loss", "augmentation", "overfitting"} < first[
        0
    ].state.keys()
    assert (first[0].training["images"], first[0].training["learning_rate"]) == (20, 1e-3)


def interrupted(task: PriorTask) -> None:
    """Train two of three rounds and stop."""
    coming = rounds(task)
    next(coming), next(coming)
    coming.close()
    assert (task.folder / CHECKPOINT).exists()


@pytest.mark.parametrize(
    "damage", [pytest.param(b"no checkpoint", marks=pytest.mark.slow), None], ids=["text", "truncated"]
)
def test_a_damaged_checkpoint_begins_anew(damage, task, expected, rounds_trained):
    interrupted(task())
    path = task().folder / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    rounds_trained.clear()
    assert trained(task()) == expected
    assert rounds_trained == [0, 1, 2]


@pytest.mark.slow
def test_a_lost_round_is_trained_again(task, expected, rounds_trained):
    interrupted(task())
    (task().after(0) / CARD).unlink()
    rounds_trained.clear()
    assert trained(task(images=16)) == expected[:2]
    assert rounds_trained == [0]


@pytest.mark.slow
def test_a_generator_learns_the_colors_of_what_it_is_shown(task):
    part = task(images=480, images_per_round=480, batch_size=8, generator_width=4, discriminator_width=4)
    truth = part.store.images(part.store.positions(part.images["image_id"]), 64)
    (prior,) = rounds(part)
    untrained = training._Run(part)._prior(0, {})

    def distance(pixels: np.ndarray) -> float:
        return float(np.abs(pixels.mean((0, 1, 2)) - truth.mean((0, 1, 2))).max())

    assert distance(prior.samples(64, seed=1)) < distance(untrained.samples(64, seed=1)) / 2


def test_too_few_images_and_a_loss_that_diverges_are_errors(task, images):
    few = task(faces=images.head(3))
    with pytest.raises(PriorTrainingError, match=r"on 3 images: one batch takes 4.*role `public`"):
        next(rounds(few))
    assert not few.folder.exists()
    with pytest.raises(PriorTrainingError, match=r"in round 1. Lower prior.training.learning_rate"):
        train_prior(task(learning_rate=1e30))


def test_every_round_shows_each_image_before_any_one_again():
    order = training._endless_order(5, 12, np.random.default_rng(0))
    assert len(order) == 12
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert list(order[:5]) != list(order[5:10])


def test_the_folder_is_named_by_all_that_the_result_depends_on(task, images, compute):
    different = [
        task(),
        task(seed=1),
        task(learning_rate=2e-3),
        task(augmentation={"start": 0.4}),
        task(faces=images.iloc[1:]),
        task(where=compute.model_copy(update={"precision": "bfloat16"})),
    ]
    assert len({part.folder for part in different}) == len(different)
    assert task(where=compute.model_copy(update={"batch_size": 3, "workers": 2})).folder == task().folder
    assert task(images=400).folder == task().folder  # training goes on


def test_no_code_runs_in_training_a_prior_that_is_not_in_the_key(task, not_in_keys):
    assert not_in_keys(lambda: list(training.rounds(task()))) == set()


@pytest.mark.parametrize("module", ["reconstruction.prior_training.networks", "faces.images", "backbones.augmentation"])
def test_a_prior_is_trained_anew_once_its_code_has_changed(module, task, edited):
    before = task().folder
    edited(f"faceleak.{module}")
    assert task().folder != before
