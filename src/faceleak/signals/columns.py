"""Names of the columns that signals give."""

from collections.abc import Callable
from typing import Literal, get_args

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.signals import Comparison, registry

Layers = Literal["all", "early", "middle", "late"]


class UnknownLayerError(FaceleakError):
    """A signal that reads BN layers does not say which of its columns is read at which."""


def column_name(signal: str, column: str) -> str:
    """What a signal's column is called in a table: `<signal>.<column>`.

    The dots of an import path are slashes here, so that the first dot ends the signal's name.
    """
    return f"{signal.replace('.', '/')}.{column}"


def signal_of(column: str) -> str:
    """The signal whose column this is."""
    return column.partition(".")[0].replace("/", ".")


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [column for column in table.columns if column.startswith(column_name(signal, ""))]


def columns_of_layers(signal: str, table: pd.DataFrame, layers: Layers) -> list[str]:
    """The columns of a signal at a third of the BN layers, in the network's order, one layer at least.

    Signals that are not read layer by layer keep all of their columns. Raises UnknownLayerError.
    """
    columns = columns_of(signal, table)
    layer_of = None if layers == "all" else layers_of(signal)
    if layer_of is None:
        return columns
    of_layer = [layer_of(column.removeprefix(column_name(signal, ""))) for column in columns]
    in_order = list(dict.fromkeys(of_layer))
    third = get_args(Layers).index(layers) - 1
    first = len(in_order) * third // 3
    kept = in_order[first : max(first + 1, len(in_order) * (third + 1) // 3)]
    return [column for column, layer in zip(columns, of_layer, strict=True) if layer in kept]


def layers_of(signal: str) -> Callable[[str], str] | None:
    """Name of a column → its BN layer; None for a signal that is not read layer by layer. Raises UnknownLayerError."""
    found = registry.get(signal)
    if isinstance(found, Comparison):
        return None
    if found.layer_of is None and found.needs & {"mean", "square"}:
        raise UnknownLayerError(
            f"The signal {signal!r} reads BN layers, and which of its columns are those of a third of them is unknown. "
            "Define `layer_of(column)` in its file, which returns the layer's name, or leave `layers: all`."
        )
    return found.layer_of
