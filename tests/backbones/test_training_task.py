import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from faceleak.backbones.card import Preprocessing
from faceleak.backbones.loading import CARD, WEIGHTS, BackboneError, load_backbone, save_backbone
from faceleak.backbones.training import train
from faceleak.backbones.training_task import TrainingError
from faceleak.faces import images as reading_images
from faceleak.faces.packing import Packing
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore


@pytest.fixture
def start(tiny_backbone, tmp_path):
    """A folder with the tiny backbone, which fits the options of `task`."""
    save_backbone(tiny_backbone, tmp_path / "start")
    return tmp_path / "start"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), order=st.integers(0, 1000), group=st.booleans())
def test_without_a_start_the_folder_follows_from_images_and_options_alone(seed, order, group, task, images):
    changes = {"seed": seed, "normalization": "group" if group else "batch"}
    first, again = task(**changes), task(**changes, images=images.sample(frac=1, random_state=order))
    assert again.folder == first.folder == first.folder
    assert replace(first, name="another").folder == first.folder
    assert task(**(changes | {"seed": seed + 1})).folder != first.folder
    assert first.folder.parent == first.cache


def test_the_folder_follows_the_weights_of_the_start_and_not_where_they_lie(task, start, tmp_path, tiny_backbone):
    shutil.copytree(start, tmp_path / "copy")
    expected = task(start=start).folder
    assert task(start=tmp_path / "copy").folder == expected != task().folder
    tiny_backbone.net.conv1.weight.data[0, 0, 0, 0] += 1
    save_backbone(tiny_backbone, tmp_path / "copy")
    assert task(start=tmp_path / "copy").folder != expected


def test_the_preprocessing_of_the_start_is_kept(task, start):
    backbone = load_backbone(start)
    blue_first = Preprocessing(image_size=32, color_order="BGR", mean=(0.1, 0.2, 0.3))
    before = task(start=start).folder
    backbone.card = backbone.card.model_copy(update={"preprocessing": blue_first, "training": {"data_hash": "x"}})
    save_backbone(backbone, start)
    part = task(epochs=0, start=start)
    assert task(start=start).folder != before
    train(part)
    card = load_backbone(part.folder).card
    assert card.preprocessing == blue_first
    assert card.training["start"]["data_hash"] == "x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "iresnet_demo"}, "which has architecture iresnet_tiny, not iresnet_demo. Give the training"),
        ({"normalization": "group"}, "normalization batch, not group"),
        ({"image_size": 48}, "image_size 32, not 48"),
        ({"embedding_size": 8, "image_size": 64}, "image_size 32, not 64, embedding_size 16, not 8"),
    ],
)
def test_a_start_that_does_not_fit_the_options_is_an_error_before_anything_is_written(change, message, task, start):
    part = task(start=start, **change)
    with pytest.raises(TrainingError, match=rf"task cannot start from .*start, .*{message}"):
        train(part)
    assert not part.cache.exists()


def test_a_start_that_is_not_there_is_an_error(task, start, tmp_path):
    with pytest.raises(BackboneError, match=rf"no backbone in .*nowhere \({CARD} is missing"):
        _ = task(start=tmp_path / "nowhere").folder
    (start / WEIGHTS).unlink()
    with pytest.raises(TrainingError, match=f"task cannot start from .*{WEIGHTS} is missing"):
        _ = task(start=start).folder


def test_the_same_png_packed_at_another_quality_is_trained_on_anew(task, images, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        folder = tmp_path / "people" / str(number // 4)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    folders, hashes = [], []
    for quality in (95, 30, 95):
        monkeypatch.setattr(reading_images, "JPEG_QUALITY", quality)
        path = tmp_path / f"{len(folders)}.arrow"
        Packing(FaceFolder(tmp_path / "people")).into(path)
        store = FaceStore(path)
        packed = replace(task(images=store.manifest()), store=store)
        folders.append(packed.folder)
        hashes.append(packed.data_hash)
    assert folders[0] == folders[2] != folders[1]
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    "module",
    [
        *("backbones.training", "backbones.iresnet", "backbones.card", "backbones.augmentation", "backbones.loading"),
        *("faces.canvas", "faces.images", "faces.store"),
    ],
)
def test_a_backbone_is_trained_anew_once_the_code_of_its_training_has_changed(module, task, edited):
    expected = task().folder
    edited(f"faceleak.{module}")
    assert task().folder != expected
    edited(None)
    assert task().folder == expected


@pytest.mark.parametrize(
    "module", ["work.progress", "work.compute", "backbones.ir", "backbones.onnx_import.loading", "signals.reading"]
)
def test_a_backbone_is_not_trained_anew_for_what_does_not_change_it(module, task, edited):
    expected = task().folder
    edited(f"faceleak.{module}")
    assert task().folder == expected


def test_no_code_runs_in_training_that_is_not_in_the_key(task, start, not_in_keys):
    assert not_in_keys(lambda: train(task(epochs=1))) == set()
    assert not_in_keys(lambda: train(task(epochs=1, normalization="group"))) == set()
    assert not_in_keys(lambda: train(task(epochs=1, seed=5, start=start, augmentation="strong"))) == set()
