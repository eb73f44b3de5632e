from itertools import pairwise

import pandas as pd
import pytest

from faceleak.backbones.batch_norm import bn_layers
from faceleak.signals import is_read_off_images, registry
from faceleak.signals.bn_moments import MOMENTS, moment_names
from faceleak.signals.columns import columns_of, columns_of_layers, layers_of


def test_columns_of_a_signal_are_not_those_of_one_with_a_longer_name():
    table = pd.DataFrame(columns=["image_id", "bn_distance.bn1", "bn_distance_wide.bn1", "bn_distance.layer1.0.bn1"])
    assert columns_of("bn_distance", table) == ["bn_distance.bn1", "bn_distance.layer1.0.bn1"]
    assert columns_of("bn", table) == []


def table_of(signal: str, layers: int) -> pd.DataFrame:
    names = [f"layer{layer}" for layer in range(layers)]
    if signal != "bn_distance":
        names = moment_names(names)
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
    columns = signal.column_names(iresnet18.net) if signal.column_names else []
    named = [column for column in columns if any(f".{layer}." in f".{column}." for layer in layers)]
    assert len(named) == (len(columns) if layers_of(name) else 0)
    assert all(signal.layer_of(column) in layers for column in named)
    if name.startswith("bn_"):
        assert [*dict.fromkeys(map(signal.layer_of, columns))] == list(layers)


def test_activations_of_a_third_of_the_layers_are_those_of_a_third_of_the_widths(iresnet18):
    names = registry.get("activation").column_names(iresnet18.net)
    table = pd.DataFrame(columns=[f"activation.{name}" for name in names])
    thirds = [columns_of_layers("activation", table, third) for third in ("early", "middle", "late")]
    assert [column for third in thirds for column in third] == list(table.columns)
    assert all(thirds)
