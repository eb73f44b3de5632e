"""Names of the columns that signals give."""

from typing import Literal, get_args

import pandas as pd

Layers = Literal["all", "early", "middle", "late"]
AT_EACH_LAYER = ("bn_distance", "bn_moments", "bn_moments_grouped")


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [column for column in table.columns if column.startswith(f"{signal}.")]


def columns_of_layers(signal: str, table: pd.DataFrame, layers: Layers) -> list[str]:
    """The columns of a signal at a third of the BN layers, in the network's order, one layer at least.

    Signals that are not read layer by layer keep all of their columns.
    """
    columns = columns_of(signal, table)
    if layers == "all" or signal not in AT_EACH_LAYER:
        return columns
    of_layer = [_layer(signal, column) for column in columns]
    in_order = list(dict.fromkeys(of_layer))
    third = get_args(Layers).index(layers) - 1
    first = len(in_order) * third // 3
    kept = in_order[first : max(first + 1, len(in_order) * (third + 1) // 3)]
    return [column for column, layer in zip(columns, of_layer, strict=True) if layer in kept]


def _layer(signal: str, column: str) -> str:
    """Of `bn_distance.<layer>`, `bn_moments.<moment>.<layer>` or `bn_moments_grouped.<moment>.<layer>.<group>`."""
    _, *parts = column.split(".")
    return ".".join({"bn_distance": parts, "bn_moments": parts[1:], "bn_moments_grouped": parts[1:-1]}[signal])
