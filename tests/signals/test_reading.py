import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.backbones.embedding import NotFiniteError
from faceleak.signals import bn_distance, bn_moments
from faceleak.signals.reading import columns_of, read_signals
from faceleak.signals.registry import UnknownSignalError


@pytest.fixture
def image_ids(demo_store) -> pd.Series:
    """20 images in an order and with an index of their own."""
    return demo_store.manifest()["image_id"].sample(20, random_state=0)


def test_one_row_an_image_in_order_and_one_column_a_number(tiny_backbone, demo_store, image_ids, compute):
    table = read_signals(["bn_moments", "bn_distance"], tiny_backbone, demo_store, image_ids, compute)
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


def test_the_numbers_are_those_of_the_signal_image_by_image(tiny_backbone, demo_store, image_ids, compute):
    table = read_signals(["bn_distance"], tiny_backbone, demo_store, image_ids, compute)
    for row in (0, 7, 19):
        pixels = demo_store.images(demo_store.positions([image_ids.iloc[row]]), 32)
        face = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            expected = bn_distance.read(tiny_backbone, face)[0]
        np.testing.assert_allclose(table.iloc[row, 1:].to_numpy(float), expected, rtol=1e-4, atol=1e-5)


def test_ids_may_come_from_any_iterable_that_is_read_once(tiny_backbone, demo_store, image_ids, compute):
    expected = read_signals(["pixel_statistics"], tiny_backbone, demo_store, image_ids, compute)
    once = read_signals(["pixel_statistics"], tiny_backbone, demo_store, iter(image_ids), compute)
    pd.testing.assert_frame_equal(once, expected)


def test_reading_changes_nothing_in_the_target(tiny_backbone, demo_store, image_ids, compute):
    before = tiny_backbone.train().weights_hash()
    read_signals(["bn_distance", "bn_moments"], tiny_backbone, demo_store, image_ids, compute)
    assert tiny_backbone.weights_hash() == before
    assert tiny_backbone.training


def test_columns_of_a_signal_are_not_those_of_one_with_a_longer_name():
    table = pd.DataFrame(columns=["image_id", "bn_distance.bn1", "bn_distance_wide.bn1", "bn_distance.layer1.0.bn1"])
    assert columns_of("bn_distance", table) == ["bn_distance.bn1", "bn_distance.layer1.0.bn1"]
    assert columns_of("bn", table) == []


def test_an_unknown_signal_is_an_error(tiny_backbone, demo_store, image_ids, compute):
    with pytest.raises(UnknownSignalError, match="bn_distance"):
        read_signals(["bn_distances"], tiny_backbone, demo_store, image_ids, compute)


def test_a_broken_target_is_an_error_that_names_the_signal(tiny_backbone, demo_store, image_ids, compute):
    tiny_backbone.net.conv1.weight.data[0] = float("nan")
    with pytest.raises(NotFiniteError, match="Reading bn_distance: 20 of 20 faces"):
        read_signals(["bn_distance"], tiny_backbone, demo_store, image_ids, compute)
