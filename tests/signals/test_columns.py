from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals import is_read_off_images, registry
from faceleak.signals.bn_moments import MOMENTS
from faceleak.signals.columns import (
    Column,
    ColumnNameError,
    column_names,
    columns_of,
    columns_of_layers,
    is_read_by_layer,
    names_read,
    read_again,
    second_readings,
)


def test_columns_of_a_signal_are_not_those_of_one_with_a_longer_name():
    table = pd.DataFrame(columns=["image_id", "bn_distance.bn1", "bn_distance_wide.bn1", "bn_distance.layer1.0.bn1"])
    assert columns_of("bn_distance", table) == ["bn_distance.bn1", "bn_distance.layer1.0.bn1"]
    assert columns_of("bn", table) == []


def table_of(signal: str, layers: int) -> pd.DataFrame:
    names = [f"layer{layer}" for layer in range(layers)]
    if signal != "bn_distance":
        names = [f"{moment}.{name}" for moment in MOMENTS for name in names]
    return pd.DataFrame(columns=[f"{signal}.{name}" for name in names] + ["embedding_norm.norm"])


@pytest.mark.parametrize("signal", ["bn_distance", "bn_moments"])
@pytest.mark.parametrize("layers", [3, 7, 31])
def test_thirds_are_every_layer_once_in_the_networks_order(signal: str, layers: int) -> None:
    table = table_of(signal, layers)
    thirds = [columns_of_layers(signal, table, third) for third in ("early", "middle", "late")]
    together = [column for third in thirds for column in third]
    assert sorted(together) == sorted(columns_of(signal, table))
    assert columns_of_layers(signal, table, "all") == columns_of(signal, table)
    numbers = [{int(column.split("layer")[1].split(".")[0]) for column in third} for third in thirds]
    assert all(max(third) < min(following) for third, following in pairwise(numbers))


def test_one_layer_is_left_at_least_and_other_signals_keep_all_columns() -> None:
    for third in ("early", "middle", "late"):
        assert columns_of_layers("bn_moments", table_of("bn_moments", 1), third) == [
            f"bn_moments.{moment}.layer0" for moment in MOMENTS
        ]
        assert columns_of_layers("embedding_norm", table_of("bn_distance", 3), third) == ["embedding_norm.norm"]


@pytest.mark.parametrize("name", [name for name in registry.names() if is_read_off_images(name)])
def test_a_signal_whose_columns_name_layers_says_which(name, iresnet18):
    signal, layers = registry.get_reader(name), bn_layers(iresnet18.net)
    columns = list(map(Column.parse, names_read(signal, iresnet18.net, 0)))
    named = [column for column in columns if any(f".{layer}." in f".{column.own}." for layer in layers)]
    assert len(named) == (len(columns) if is_read_by_layer(name) else 0)
    assert all(column.layer in layers for column in named)
    if name.startswith("bn_"):
        assert [*dict.fromkeys(column.layer for column in columns)] == list(layers)


def test_activations_of_a_third_of_the_layers_are_those_of_a_third_of_the_widths(iresnet18):
    table = pd.DataFrame(columns=names_read(registry.get_reader("activation"), iresnet18.net, 0))
    thirds = [columns_of_layers("activation", table, third) for third in ("early", "middle", "late")]
    assert [column for third in thirds for column in third] == list(table.columns)
    assert all(thirds)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("bn_distance.layer1.0.bn1", "layer1.0.bn1"),
        ("bn_moments.log_distance.layer1.0.bn1", "layer1.0.bn1"),
        ("activation.layer1.0.bn1.7", "layer1.0.bn1"),
        ("anchor_similarity.quantile_0.01", ""),
        ("embedding.3", ""),
    ],
)
def test_the_layer_is_read_off_the_name(name: str, layer: str) -> None:
    column = Column.parse(name)
    assert (column.layer, column.name) == (layer, name)


@pytest.mark.parametrize("parts", ["bn1.highest", ("bn1",), ("bn1", "0.5"), ("bn1", "highest", "more")])
def test_a_name_that_does_not_tell_its_layer_is_an_error(parts) -> None:
    signal = replace(registry.get_reader("activation"), column_names=lambda _: [("bn1", "0"), parts])
    with pytest.raises(ColumnNameError, match=r"'activation' calls a column .* layer and statistic: return a pair"):
        names_read(signal, None, 2)


def test_names_are_made_of_all_parts_and_numbered_where_there_are_none() -> None:
    assert column_names("mine.peaks", [("layer1.0.bn1", "highest"), "all"]) == [
        "mine/peaks.layer1.0.bn1.highest",
        "mine/peaks.all",
    ]
    assert names_read(registry.get_reader("embedding"), None, 2) == ["embedding.0", "embedding.1"]


def test_a_second_reading_is_known_by_its_name() -> None:
    assert read_again("head_loss.smallest") == "other_images.head_loss.smallest"
    table = pd.DataFrame(columns=["head_loss.smallest", "other_images.head_loss.smallest"])
    assert second_readings(table) == {"other_images.head_loss.smallest": "head_loss.smallest"}
    assert columns_of("head_loss", table) == ["head_loss.smallest"]
