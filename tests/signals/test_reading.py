from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import NotFiniteError
from faceleak.compute import ComputeOptions
from faceleak.signals import bn_distance, bn_moments, reading
from faceleak.signals.reading import columns_of, read_signals
from faceleak.signals.registry import UnknownSignalError


@pytest.fixture
def fresh(compute, tmp_path) -> ComputeOptions:
    """Where to compute, with an empty cache, so that everything is read anew."""
    return compute.model_copy(update={"cache": tmp_path / "cache"})


@pytest.fixture
def image_ids(demo_store) -> pd.Series:
    """20 images in an order and with an index of their own."""
    return demo_store.manifest()["image_id"].sample(20, random_state=0)


def test_one_row_an_image_in_order_and_one_column_a_number(tiny_backbone, demo_store, image_ids, fresh):
    table = read_signals(["bn_moments", "bn_distance"], tiny_backbone, demo_store, image_ids, fresh)
    moments, distances = (signal.column_names(tiny_backbone.net) for signal in (bn_moments, bn_distance))
    assert table.columns.tolist() == [
        "image_id",
        *(f"bn_moments.{column}" for column in moments),
        *(f"bn_distance.{column}" for column in distances),
    ]
    assert "bn_distance.layer2.0.downsample.1" in table.columns
    assert table["image_id"].tolist() == image_ids.tolist()
    assert table.index.tolist() == list(range(20))
    assert set(table.dtypes[1:]) == {np.dtype("float32")}


def test_the_numbers_are_those_of_the_signal_image_by_image(tiny_backbone, demo_store, image_ids, fresh):
    table = read_signals(["bn_distance"], tiny_backbone, demo_store, image_ids, fresh)
    for row in (0, 7, 19):
        pixels = demo_store.images(demo_store.positions([image_ids.iloc[row]]), 32)
        face = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            expected = bn_distance.read(tiny_backbone, face)[0]
        np.testing.assert_allclose(table.iloc[row, 1:].to_numpy(float), expected, rtol=1e-4, atol=1e-5)


def test_ids_may_come_from_any_iterable_that_is_read_once(tiny_backbone, demo_store, image_ids, fresh):
    expected = read_signals(["pixel_statistics"], tiny_backbone, demo_store, image_ids, fresh)
    elsewhere = fresh.model_copy(update={"cache": fresh.cache / "elsewhere"})
    once = read_signals(["pixel_statistics"], tiny_backbone, demo_store, iter(image_ids), elsewhere)
    pd.testing.assert_frame_equal(once, expected)


def test_reading_changes_nothing_in_the_target(tiny_backbone, demo_store, image_ids, fresh):
    before = tiny_backbone.train().weights_hash()
    read_signals(["bn_distance", "bn_moments"], tiny_backbone, demo_store, image_ids, fresh)
    assert tiny_backbone.weights_hash() == before
    assert tiny_backbone.training


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """What is read off a backbone from here on, and not found in the cache."""
    descriptions = []
    read_faces = reading.read_faces

    def noted(*arguments):
        descriptions.append(arguments[-1])
        return read_faces(*arguments)

    monkeypatch.setattr(reading, "read_faces", noted)
    return descriptions


def test_what_was_read_once_is_found_again(tiny_backbone, demo_store, image_ids, fresh, reads):
    first = read_signals(["bn_distance", "bn_moments"], tiny_backbone, demo_store, image_ids, fresh)
    again = read_signals(["bn_moments", "bn_distance"], deepcopy(tiny_backbone), demo_store, list(image_ids), fresh)
    pd.testing.assert_frame_equal(again[first.columns], first)
    assert reads == ["Reading bn_distance", "Reading bn_moments"]


def test_another_backbone_and_other_images_are_read_anew(tiny_backbone, demo_store, image_ids, fresh, reads):
    def read(backbone=tiny_backbone, ids=image_ids) -> pd.DataFrame:
        return read_signals(["bn_distance"], backbone, demo_store, ids, fresh)

    first = read()
    other_weights = deepcopy(tiny_backbone)
    other_weights.net.bn1.running_var *= 2
    blue_first = tiny_backbone.card.preprocessing.model_copy(update={"colour_order": "BGR"})
    other_order = Backbone(tiny_backbone.net, tiny_backbone.card.model_copy(update={"preprocessing": blue_first}))
    for other in (other_weights, other_order):
        assert (read(other).iloc[:, 1:].to_numpy() != first.iloc[:, 1:].to_numpy()).any()
    assert read(ids=image_ids[::-1])["image_id"].tolist() == image_ids[::-1].tolist()
    pd.testing.assert_frame_equal(read(ids=image_ids[:3]), first[:3], rtol=1e-3)
    assert len(reads) == 5


def test_columns_of_a_signal_are_not_those_of_one_with_a_longer_name():
    table = pd.DataFrame(columns=["image_id", "bn_distance.bn1", "bn_distance_wide.bn1", "bn_distance.layer1.0.bn1"])
    assert columns_of("bn_distance", table) == ["bn_distance.bn1", "bn_distance.layer1.0.bn1"]
    assert columns_of("bn", table) == []


def test_an_unknown_signal_is_an_error(tiny_backbone, demo_store, image_ids, fresh):
    with pytest.raises(UnknownSignalError, match="bn_distance"):
        read_signals(["bn_distances"], tiny_backbone, demo_store, image_ids, fresh)


def test_a_broken_target_is_an_error_that_names_the_signal(tiny_backbone, demo_store, image_ids, fresh):
    tiny_backbone.net.conv1.weight.data[0] = float("nan")
    with pytest.raises(NotFiniteError, match="Reading bn_distance: 20 of 20 faces"):
        read_signals(["bn_distance"], tiny_backbone, demo_store, image_ids, fresh)
