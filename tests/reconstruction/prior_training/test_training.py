import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from faceleak.reconstruction.prior_training import training
from faceleak.reconstruction.prior_training.piece import PriorPiece, PriorTrainingError
from faceleak.reconstruction.prior_training.trained import CARD, WEIGHTS
from faceleak.reconstruction.prior_training.training import CHECKPOINT, draw_samples, snapshots, train_prior


@pytest.fixture
def rounds_trained(monkeypatch) -> list[int]:
    """The numbers of the rounds that are trained from here on."""
    rounds: list[int] = []
    train_round = training._Run.train_round

    def noted(run, number: int):
        rounds.append(number)
        return train_round(run, number)

    monkeypatch.setattr(training._Run, "train_round", noted)
    return rounds


def trained(piece: PriorPiece) -> bytes:
    train_prior(piece)
    return (piece.folder / WEIGHTS).read_bytes()


def test_the_same_piece_gives_the_same_prior_whatever_the_global_generator_and_another_seed_another(piece, tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = trained(piece())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert trained(piece(cache=tmp_path / "elsewhere")) == first
    assert trained(piece(seed=1)) != first


def test_neither_the_order_of_the_rows_changes_anything(piece, images, tmp_path):
    ordered, shuffled = piece(), piece(cache=tmp_path / "elsewhere", faces=images.sample(frac=1, random_state=3))
    assert shuffled.folder.name == ordered.folder.name
    assert trained(shuffled) == trained(ordered)


KILLED = """
import os, pickle, signal, sys
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

for when, piece in pickle.loads(sys.stdin.buffer.read()).items():
    if os.fork() == 0:  # before torch has computed anything, so that no thread is lost
        if when == "in round 1":
            dies_in(training._Run, "_step", 3)
        elif when == "after the samples of round 1":
            dies_in(training._Run, "take_snapshot", 2)
        elif when == "while saving round 1":
            save = training.torch.save
            training.torch.save = lambda content, path: (save(content, path), content["round"] == 1 and die())
        else:
            dies_in(training._Run, "save_checkpoint", int(when.removeprefix("after round ")) + 1)
        training.train_prior(piece)
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_training_that_was_killed_ends_at_the_same_prior_to_the_bit(piece, tmp_path, rounds_trained):
    expected = trained(piece())
    shown = [snapshot.pixels for snapshot in snapshots(piece())]
    assert rounds_trained == [0, 1, 2]
    left = {
        "in round 1": [1, 2],
        "after the samples of round 1": [1, 2],
        "while saving round 1": [1, 2],
        "after round 1": [2],
        "after round 2": [],  # only the result was not written yet
    }
    pieces = {when: piece(cache=tmp_path / when) for when in left}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED],
        input=pickle.dumps(pieces),
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert killed.stdout.split() == [str(-signal.SIGKILL).encode()] * len(pieces)
    for when, rounds in left.items():
        rounds_trained.clear()
        assert not (pieces[when].folder / CARD).exists()
        again = [snapshot.pixels for snapshot in snapshots(pieces[when])]
        assert rounds_trained == rounds, when
        assert (pieces[when].folder / WEIGHTS).read_bytes() == expected, when
        np.testing.assert_array_equal(again, shown)
        assert not (pieces[when].folder / CHECKPOINT).exists()


def test_a_prior_in_the_cache_is_not_trained_again_and_shows_its_history(piece, rounds_trained):
    first = list(snapshots(piece()))
    again = list(snapshots(piece()))
    assert rounds_trained == [0, 1, 2]
    assert [snapshot.images_shown for snapshot in again] == [8, 16, 24]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.state == other.state
    assert {"generator_loss", "discriminator_loss", "memory_loss", "augmentation", "overfitting"} == first[
        0
    ].state.keys()


def interrupted(piece: PriorPiece) -> None:
    """Train two rounds and stop."""
    coming = snapshots(piece)
    for _ in range(2):
        next(coming)
    coming.close()
    assert (piece.folder / CHECKPOINT).exists()


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_begins_anew(damage, piece, tmp_path, rounds_trained):
    expected = trained(piece())
    broken = piece(cache=tmp_path / "broken")
    interrupted(broken)
    path = broken.folder / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    rounds_trained.clear()
    assert trained(broken) == expected
    assert rounds_trained == [0, 1, 2]


def test_a_lost_snapshot_is_an_error_that_says_what_to_delete(piece):
    train_prior(piece())
    (piece().folder / "snapshots" / "00001.safetensors").unlink()
    with pytest.raises(PriorTrainingError, match=r"00001.safetensors is missing.*Delete"):
        list(snapshots(piece()))


def test_the_average_is_what_is_kept_and_its_bn_statistics_are_its_own(piece):
    part = piece(images=8)
    run = training._Run(part)
    run.train_round(0)
    settled = run.settled()
    assert not torch.equal(settled.to_rgb.weight, run.generator.to_rgb.weight)
    assert torch.equal(settled.to_rgb.weight, run.average.to_rgb.weight)
    latents = torch.randn(2048, 8, generator=torch.Generator().manual_seed(5))
    inputs = settled.first[0](latents[:, :, None, None])
    torch.testing.assert_close(settled.first[1].running_mean, inputs.mean((0, 2, 3)), rtol=0, atol=0.03)
    assert not settled.training


@pytest.mark.slow
def test_a_generator_learns_the_colour_of_what_it_is_shown(piece, demo_store):
    part = piece(images=1600, images_per_round=1600, batch_size=8, latent_size=16, average_images=200, samples=32)
    truth = demo_store.images(demo_store.positions(part.images["image_id"]), 64).mean((0, 1, 2))
    (snapshot,) = snapshots(part)
    untrained = draw_samples(training._Run(part).result(), 32, seed=1)
    before, after = (np.abs(pixels.mean((0, 1, 2)) - truth).max() for pixels in (untrained, snapshot.pixels))
    assert after < before / 3


def test_too_few_images_and_a_loss_that_diverges_are_errors(piece, images):
    few = piece(faces=images.head(3))
    with pytest.raises(PriorTrainingError, match=r"on 3 images: one batch takes 4.*role `public`"):
        next(snapshots(few))
    assert not few.folder.exists()
    with pytest.raises(PriorTrainingError, match=r"in round 1. Lower prior.training.learning_rate"):
        train_prior(piece(learning_rate=1e30))


def test_every_round_shows_each_image_before_any_one_again():
    order = training._endless_order(5, 12, np.random.default_rng(0))
    assert len(order) == 12
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert list(order[:5]) != list(order[5:10])


def test_the_folder_is_named_by_all_that_the_result_depends_on(piece, images, compute):
    different = [
        piece(),
        piece(seed=1),
        piece(images=32),
        piece(learning_rate=2e-3),
        piece(augmentation={"start": 0.4}),
        piece(faces=images.iloc[1:]),
        piece(where=compute.model_copy(update={"precision": "bfloat16"})),
    ]
    assert len({part.folder for part in different}) == len(different)
    assert piece(where=compute.model_copy(update={"batch_size": 3, "workers": 2})).folder == piece().folder
