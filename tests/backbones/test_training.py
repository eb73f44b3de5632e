import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.backbones import training
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import embed
from faceleak.backbones.faces_input import to_tensor
from faceleak.backbones.inventory import take_inventory
from faceleak.backbones.loading import CARD, HEAD, WEIGHTS, load_backbone
from faceleak.backbones.training import TrainingError, TrainingTask, train, train_backbones
from faceleak.work.checkpointed import CHECKPOINT
from faceleak.work.compute import seeded


@pytest.fixture
def epochs_trained(monkeypatch) -> list[int]:
    """The numbers of the epochs that are trained from here on."""
    epochs: list[int] = []
    step = training._Run.step

    def noted(run) -> None:
        epochs.append(run.done)
        step(run)

    monkeypatch.setattr(training._Run, "step", noted)
    return epochs


def trained(task: TrainingTask) -> str:
    train(task)
    return load_backbone(task.folder).weights_hash()


def test_a_tiny_set_is_learnt_by_heart(task, images, compute, monkeypatch):
    losses = []

    class Noting(training.ArcFaceHead):
        def forward(self, embeddings, classes):
            loss = super().forward(embeddings, classes)
            losses.append(loss.item())
            return loss

    monkeypatch.setattr(training, "ArcFaceHead", Noting)
    learner = task(epochs=25)
    backbone = train_backbones([learner], compute)[0]
    assert np.allclose(backbone.card.training["losses"], np.reshape(losses, (25, -1)).mean(1), rtol=1e-5)
    assert np.mean(losses[-6:]) < 0.2 * np.mean(losses[:6])
    embeddings = embed(backbone, learner.store, images["image_id"], compute)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -2)
    people = images["identity"].to_numpy()
    assert (people[similarity.argmax(1)] == people).mean() >= 0.95  # 0.22 by chance
    classes = (embeddings @ torch.nn.functional.normalize(backbone.head.weight).numpy().T).argmax(1)
    assert (np.array(backbone.head.identities)[classes] == people).mean() >= 0.95  # 0.25 by chance


def test_the_same_task_gives_the_same_weights_and_another_seed_others(task, tmp_path):
    first = trained(task())
    assert trained(task(cache=tmp_path / "elsewhere")) == first
    assert trained(task(seed=1)) != first


def test_neither_the_order_of_the_rows_nor_the_global_generator_changes_anything(task, images, tmp_path):
    torch.manual_seed(1)
    ordered = task()
    expected = trained(ordered)
    torch.manual_seed(2)
    shuffled = task(images=images.sample(frac=1, random_state=3), cache=tmp_path / "elsewhere")
    assert shuffled.folder.name == ordered.folder.name
    assert trained(shuffled) == expected


def test_training_leaves_the_global_generator_alone(task):
    before = torch.get_rng_state()
    train(task(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


KILLED = """
import os, pickle, signal, sys
from faceleak.backbones import training

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_in(name, call):
    original, calls = getattr(training._Run, name), []
    def method(run, *arguments):
        result = original(run, *arguments)
        calls.append(1)
        if len(calls) == call:
            die()
        return result
    setattr(training._Run, name, method)

for when, task in pickle.loads(sys.stdin.buffer.read()).items():
    if os.fork() == 0:  # before torch has computed anything, so that no thread is lost
        if when == "in epoch 1":
            dies_in("_batches", 2)  # called when the epoch begins
        elif when == "while saving epoch 1":
            save = training.torch.save
            training.torch.save = lambda content, path: (save(content, path), content["done"] == 2 and die())
        else:
            dies_in("save", int(when.removeprefix("after epoch ")) + 1)
        training.train(task)
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_training_that_was_killed_goes_on_where_it_was_and_ends_at_the_same_weights(task, tmp_path, epochs_trained):
    expected = trained(task())
    assert epochs_trained == [0, 1, 2]
    left = {
        "after epoch 0": [1, 2],
        "after epoch 1": [2],
        "after epoch 2": [],  # only the result was not written yet
        "in epoch 1": [1, 2],
        "while saving epoch 1": [1, 2],
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
    for when, epochs in left.items():
        epochs_trained.clear()
        assert not (tasks[when].folder / CARD).exists()
        assert trained(tasks[when]) == expected, when
        assert epochs_trained == epochs, when
        assert not (tasks[when].folder / CHECKPOINT).exists()


def interrupted(task: TrainingTask, monkeypatch) -> None:
    """Train all epochs, and stop before the result is written."""

    def stop(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "save_backbone", stop)
        with pytest.raises(KeyboardInterrupt):
            train(task)
    assert (task.folder / CHECKPOINT).exists()


def with_part_of_another_net(content: dict) -> dict:
    return content | {"state": content["state"] | {"optimizer": {"state": {}, "param_groups": []}}}


DAMAGES: dict[str, Callable] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no checkpoint"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "without parts": lambda path: torch.save({"done": 1}, path),
    "of another net": lambda path: torch.save(with_part_of_another_net(torch.load(path)), path),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_begins_anew(damage, task, tmp_path, monkeypatch, epochs_trained):
    expected = trained(task(epochs=2))
    broken = task(epochs=2, cache=tmp_path / "broken")
    interrupted(broken, monkeypatch)
    DAMAGES[damage](broken.folder / CHECKPOINT)
    epochs_trained.clear()
    assert trained(broken) == expected
    assert epochs_trained == [0, 1]


def test_what_is_in_the_cache_is_not_trained_again(task, compute, epochs_trained):
    tasks = [task(epochs=1), task(epochs=1), task(epochs=1, seed=1)]
    first = train_backbones(tasks, compute)
    assert epochs_trained == [0, 0]  # two of the three are the same
    again = train_backbones(tasks[::-1], compute)[::-1]
    assert epochs_trained == [0, 0]
    hashes = [backbone.weights_hash() for backbone in first]
    assert [backbone.weights_hash() for backbone in again] == hashes
    assert hashes[0] == hashes[1] != hashes[2]
    assert sorted(path.name for path in tasks[0].folder.iterdir()) == [CARD, WEIGHTS, HEAD]


def test_the_folder_is_named_by_all_that_the_result_depends_on(task, images, compute):
    people = images["identity"].unique()
    swapped = images["identity"].replace({people[0]: people[1], people[1]: people[0]})
    different = [
        task(),
        task(seed=1),
        task(epochs=4),
        task(learning_rate=0.06),
        task(architecture="iresnet_demo"),
        task(horizontal_flip=False),
        task(normalization="group"),
        task(frozen_statistics=True),
        task(augmentation="strong"),
        task(images=images.iloc[1:]),
        task(images=images.assign(identity=swapped)),
        task(images=images.assign(sha256=images["sha256"].to_numpy()[::-1])),
        task(compute=compute.model_copy(update={"precision": "bfloat16"})),
    ]
    assert len({part.folder for part in different}) == len(different)


def test_the_folder_does_not_follow_what_does_not_matter(task, images, compute):
    expected = task().folder
    assert task(images=images[::-1]).folder == expected
    assert task(images=images[["sha256", "image_id", "identity"]]).folder == expected
    assert task(images=images.assign(role="member", known=True)).folder == expected
    assert task(compute=compute.model_copy(update={"batch_size": 3, "workers": 2})).folder == expected
    assert pickle.loads(pickle.dumps(task())).folder == expected  # as a worker gets it


def test_the_card_says_what_the_backbone_is_and_was_trained_on(task):
    part = task(epochs=1)
    card = train_backbones([part], part.compute)[0].card
    assert (card.architecture, card.embedding_size, card.preprocessing.image_size) == ("iresnet_tiny", 16, 32)
    assert card.training["images"] == 24
    assert card.training["data_hash"] == part.data_hash
    assert card.training["learning_rate"] == part.options.learning_rate


def test_no_epochs_leave_the_initial_weights(task, compute):
    untrained = train_backbones([task(epochs=0, seed=5)], compute)[0]
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    with seeded(5):
        expected = build(card)
    torch.testing.assert_close(untrained.net.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert not any(layer["statistics_trained"] for layer in take_inventory(untrained)["bn_layers"])


def test_bn_statistics_are_those_of_the_images(task, images, compute):
    # at a learning rate of nearly 0 the weights stay, and the running statistics become those of the first weights
    part = task(epochs=30, learning_rate=1e-12, horizontal_flip=False)
    backbone = train_backbones([part], compute)[0]
    assert all(layer["statistics_trained"] for layer in take_inventory(backbone)["bn_layers"])
    layers = bn_layers(backbone.net)
    assert {int(layer.num_batches_tracked) for layer in layers.values()} == {30 * 3}
    faces = to_tensor(part.store.images(part.store.positions(images["image_id"]), 32), torch.device("cpu"))
    inputs = backbone.net.conv1(backbone.preprocess(faces)).detach()
    mean, variance = inputs.mean((0, 2, 3)), inputs.var((0, 2, 3))
    assert float(((layers["bn1"].running_mean - mean) / variance.sqrt()).abs().max()) < 0.15
    torch.testing.assert_close(layers["bn1"].running_var, variance, rtol=0.2, atol=0)


@pytest.mark.parametrize("flip", [True, False])
def test_every_epoch_shows_each_image_once_in_an_order_of_its_own(flip, task, images, monkeypatch):
    batches = []

    class Noting(Backbone):
        def forward(self, faces):
            batches.append(faces.clone())
            return super().forward(faces)

    monkeypatch.setattr(training, "Backbone", Noting)
    part = task(images=images.head(20), horizontal_flip=flip)
    train(part)
    assert [len(batch) for batch in batches] == [8, 8] * 3  # of 20 images, 16 fill whole batches
    originals = to_tensor(part.store.images(part.store.positions(part.images["image_id"]), 32), torch.device("cpu"))
    candidates = torch.cat([originals, originals.flip(3)]).flatten(1)
    orders, mirrored = [], 0
    for epoch in range(3):
        shown = torch.cat(batches[2 * epoch : 2 * epoch + 2]).flatten(1)
        found = [int((candidates == face).all(1).nonzero()) for face in shown]  # fails where a face is neither
        mirrored += sum(number >= 20 for number in found)
        orders.append([number % 20 for number in found])
        assert len(set(orders[-1])) == 16
    assert orders[0] != orders[1] != orders[2]
    assert 12 <= mirrored <= 36 if flip else mirrored == 0  # of 48: 24 ± 3.5


OPTIONS = [
    {"momentum": 0.0},
    {"weight_decay": 0.1},
    {"warmup_share": 0.6},
    {"margin": 0.0},
    {"frozen_statistics": True},
    {"augmentation": "strong"},
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_an_effect(option, task):
    assert trained(task(**option)) != trained(task())


@pytest.mark.parametrize(
    ("epochs", "share"),
    [(1, 0.0), (1, 0.5), (1, 0.99), (2, 0.5), (4, 0.25), (4, 0.99)],  # of `epochs` steps, one an epoch
)
def test_a_warmup_of_any_length_is_possible(epochs, share, task):
    part = task(epochs=epochs, warmup_share=share, batch_size=24)
    assert trained(part) != trained(task(epochs=0))


def test_bfloat16_trains_weights_in_float32(task, compute):
    part = task(epochs=1, compute=compute.model_copy(update={"precision": "bfloat16"}))
    backbone = train_backbones([part], compute)[0]
    assert {tensor.dtype for tensor in backbone.parameters()} == {torch.float32}
    assert backbone.weights_hash() != trained(task(epochs=1))
    assert all(tensor.isfinite().all() for tensor in backbone.parameters())


def test_too_few_people_or_images_are_an_error_before_anything_is_written(task, images):
    one_person = task(images=images.head(6), batch_size=2)
    with pytest.raises(TrainingError, match=r"task cannot be trained on 6 images of 1 person: .*at least two people"):
        train(one_person)
    few_images = task(images=images.iloc[[0, 1, 2, 6, 7, 8, 9]])
    with pytest.raises(TrainingError, match=r"7 images of 2 people: .*one batch of 8 images.*lower its batch_size"):
        train(few_images)
    assert not one_person.cache.exists()


def test_a_loss_that_diverges_is_an_error_that_names_the_epoch(task):
    part = task(learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"loss of task is (nan|inf) after epoch [12].*Lower its learning_rate"):
        train(part)
    assert not (part.folder / CARD).exists()


def test_the_manifest_stays_as_it_came(task, images):
    before = images.copy()
    train(task(images=images, epochs=1))
    pd.testing.assert_frame_equal(images, before)


def of_bn(backbone: Backbone) -> dict[str, torch.Tensor]:
    """Running statistics and counts of the batches that they come from."""
    return {name: tensor for name, tensor in backbone.net.state_dict().items() if "running" in name or "num_b" in name}


def test_frozen_statistics_are_those_of_the_start_to_the_bit(task, compute):
    start = task(epochs=1)
    (before,) = train_backbones([start], compute)
    frozen, free = train_backbones(
        [task(start=start.folder, frozen_statistics=still) for still in (True, False)], compute
    )
    torch.testing.assert_close(of_bn(frozen), of_bn(before), rtol=0, atol=0)
    assert not torch.equal(frozen.net.conv1.weight, before.net.conv1.weight)
    assert not torch.equal(frozen.net.bn1.weight, before.net.bn1.weight)
    assert all((of_bn(free)[name] != tensor).any() for name, tensor in of_bn(before).items())


@pytest.mark.parametrize("options", [{}, {"augmentation": "strong"}, {"normalization": "group"}])
def test_an_epoch_that_begins_anew_repeats_itself(options, task, tmp_path, monkeypatch, epochs_trained):
    expected = trained(task(epochs=2, **options))
    broken = task(epochs=2, cache=tmp_path / "broken", **options)

    def stop(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        step = training._Run.step
        patched.setattr(training._Run, "step", lambda run: (step(run), run.done and stop()))
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    epochs_trained.clear()
    assert trained(broken) == expected
    assert epochs_trained == [1]


def test_strong_augmentation_shows_no_face_twice_and_stays_within_the_range(task, monkeypatch):
    shown = []

    class Noting(Backbone):
        def forward(self, faces):
            shown.append(faces.clone())
            return super().forward(faces)

    monkeypatch.setattr(training, "Backbone", Noting)
    train(task(epochs=2, augmentation="strong"))
    faces = torch.cat(shown)
    assert faces.shape == (48, 3, 32, 32)
    assert len(torch.unique(faces.flatten(1), dim=0)) == 48
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1


def test_a_net_without_batch_norm_learns_too(task, compute):
    (backbone,) = train_backbones([task(epochs=1, normalization="group")], compute)
    assert backbone.card.normalization == "group"
    assert take_inventory(backbone)["bn_layers"] == []
    (untrained,) = train_backbones([task(epochs=0, normalization="group")], compute)
    changed = [
        name for name, tensor in backbone.net.named_parameters() if not tensor.equal(untrained.net.get_parameter(name))
    ]
    assert changed == [name for name, _ in backbone.net.named_parameters() if name != "features.weight"]


def test_training_goes_on_from_the_weights_of_the_start(task, compute):
    start = task(epochs=2, seed=3)
    (before,) = train_backbones([start], compute)
    (same,) = train_backbones([task(epochs=0, start=start.folder)], compute)
    assert same.weights_hash() == before.weights_hash()
    tuned = task(epochs=1, start=start.folder)
    (after,) = train_backbones([tuned], compute)
    assert after.weights_hash() != before.weights_hash()
    assert load_backbone(start.folder).weights_hash() == before.weights_hash()
    fresh = train_backbones([task(epochs=1)], compute)[0]

    def way(backbone: Backbone) -> float:
        return float((backbone.net.conv1.weight - before.net.conv1.weight).detach().norm())

    assert way(after) < way(fresh) / 2
    assert after.card.training["start"]["data_hash"] == start.data_hash
    assert after.card.training["start"]["seed"] == 3


def test_the_head_knows_whose_its_classes_are(task, images, compute):
    shuffled = task(images=images.sample(frac=1, random_state=1), epochs=1)
    (backbone,) = train_backbones([shuffled], compute)
    assert backbone.head.identities == tuple(sorted(images["identity"].unique()))
    assert backbone.head.weight.shape == (4, 16)
    assert backbone.head.scale == 16
    assert not any("head" in name for name in backbone.state_dict())
