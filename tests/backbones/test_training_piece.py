import shutil
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceleak.backbones.card import Preprocessing
from faceleak.backbones.loading import CARD, WEIGHTS, BackboneError, load_backbone, save_backbone
from faceleak.backbones.training import train
from faceleak.backbones.training_piece import TrainingError


@pytest.fixture
def start(tiny_backbone, tmp_path):
    """A folder with the tiny backbone, which fits the options of `piece`."""
    save_backbone(tiny_backbone, tmp_path / "start")
    return tmp_path / "start"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), order=st.integers(0, 1000), group=st.booleans())
def test_without_a_start_the_folder_follows_from_images_and_options_alone(seed, order, group, piece, images):
    changes = {"seed": seed, "normalisation": "group" if group else "batch"}
    first, again = piece(**changes), piece(**changes, images=images.sample(frac=1, random_state=order))
    assert again.folder == first.folder == first.folder
    assert replace(first, name="another").folder == first.folder
    assert piece(**(changes | {"seed": seed + 1})).folder != first.folder
    assert first.folder.parent == first.cache


def test_the_folder_follows_the_weights_of_the_start_and_not_where_they_lie(piece, start, tmp_path, tiny_backbone):
    shutil.copytree(start, tmp_path / "copy")
    expected = piece(start=start).folder
    assert piece(start=tmp_path / "copy").folder == expected != piece().folder
    tiny_backbone.net.conv1.weight.data[0, 0, 0, 0] += 1
    save_backbone(tiny_backbone, tmp_path / "copy")
    assert piece(start=tmp_path / "copy").folder != expected


def test_the_preprocessing_of_the_start_is_kept(piece, start):
    backbone = load_backbone(start)
    blue_first = Preprocessing(image_size=32, colour_order="BGR", mean=(0.1, 0.2, 0.3))
    before = piece(start=start).folder
    backbone.card = backbone.card.model_copy(update={"preprocessing": blue_first, "training": {"data_hash": "x"}})
    save_backbone(backbone, start)
    part = piece(epochs=0, start=start)
    assert piece(start=start).folder != before
    train(part)
    card = load_backbone(part.folder).card
    assert card.preprocessing == blue_first
    assert card.training["start"]["data_hash"] == "x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "iresnet_demo"}, "which has architecture iresnet_tiny, not iresnet_demo. Give the training"),
        ({"normalisation": "group"}, "normalisation batch, not group"),
        ({"image_size": 48}, "image_size 32, not 48"),
        ({"embedding_size": 8, "image_size": 64}, "image_size 32, not 64, embedding_size 16, not 8"),
    ],
)
def test_a_start_that_does_not_fit_the_options_is_an_error_before_anything_is_written(change, message, piece, start):
    part = piece(start=start, **change)
    with pytest.raises(TrainingError, match=rf"piece cannot start from .*start, .*{message}"):
        train(part)
    assert not part.cache.exists()


def test_a_start_that_is_not_there_is_an_error(piece, start, tmp_path):
    with pytest.raises(BackboneError, match=rf"no backbone in .*nowhere \({CARD} is missing"):
        _ = piece(start=tmp_path / "nowhere").folder
    (start / WEIGHTS).unlink()
    with pytest.raises(TrainingError, match=f"piece cannot start from .*{WEIGHTS} is missing"):
        _ = piece(start=start).folder
