"""Columns of a table of signals: their names are made, read and chosen here.

A name is `<signal>.<what the signal calls it>`; the dots of an import path are slashes in it, so the first dot
ends the signal's name. `other_images.` stands before the name of a column that was read a second time.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.signals import Comparison, Parts, Signal, registry

if TYPE_CHECKING:
    from torch import nn

Layers = Literal["all", "early", "middle", "late"]
AGAIN = "other_images."


class UnknownLayerError(FaceleakError):
    """A signal that reads BN layers does not say which of its columns is read at which."""


class ColumnNameError(FaceleakError):
    """A signal gives its columns names from which their layers could not be told."""


class Column(NamedTuple):
    """A number that a signal gives for an image; `own` is what the signal calls it."""

    signal: str
    own: str

    @staticmethod
    @cache
    def parse(name: str) -> "Column":
        """The column of this name; a name without a dot has no `own`."""
        signal, _, own = name.partition(".")
        return Column(signal.replace("/", "."), own)

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{self.signal.replace('.', '/')}.{self.own}"

    @property
    def layer(self) -> str:
        """The BN layer at which it is read; empty if its signal is not read layer by layer."""
        form = _form_of(self.signal)
        if "layer" not in form:
            return ""
        if "statistic" not in form:
            return self.own
        return self.own.partition(".")[2] if form[0] == "statistic" else self.own.rpartition(".")[0]


def column_names(signal: str, columns: Iterable[Parts]) -> list[str]:
    """What these columns of a signal are called in a table."""
    return [Column(signal, own if isinstance(own, str) else ".".join(own)).name for own in columns]


def names_read(signal: Signal, network: "nn.Module", count: int) -> list[str]:
    """What the `count` columns are called that a signal reads off a network's faces. Raises ColumnNameError."""
    if signal.column_names is None:
        return column_names(signal.name, map(str, range(count)))
    columns = signal.column_names(network)
    if len(signal.form) > 1:
        place = signal.form.index("statistic")
        for parts in columns:
            if not isinstance(parts, tuple) or len(parts) != len(signal.form) or "." in parts[place]:
                raise ColumnNameError(
                    f"The signal {signal.name!r} calls a column {parts!r}, but COLUMN says that it is named by "
                    f"{' and '.join(signal.form)}: return a pair of texts for each column, no dot in the statistic."
                )
    return column_names(signal.name, columns)


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [name for name in table.columns if (column := Column.parse(name)).signal == signal and column.own]


def columns_of_layers(signal: str, table: pd.DataFrame, layers: Layers) -> list[str]:
    """The columns of a signal at a third of the BN layers, in the network's order, one layer at least.

    Signals that are not read layer by layer keep all of their columns. Raises UnknownLayerError.
    """
    columns = columns_of(signal, table)
    if layers == "all" or not is_read_by_layer(signal):
        return columns
    of_layer = [Column.parse(name).layer for name in columns]
    in_order = list(dict.fromkeys(of_layer))
    third = get_args(Layers).index(layers) - 1
    first = len(in_order) * third // 3
    kept = in_order[first : max(first + 1, len(in_order) * (third + 1) // 3)]
    return [column for column, layer in zip(columns, of_layer, strict=True) if layer in kept]


def is_read_by_layer(signal: str) -> bool:
    """Whether each column of a signal is read at one BN layer. Raises UnknownLayerError if that is not known."""
    found, by_layer = registry.get(signal), "layer" in _form_of(signal)
    if isinstance(found, Signal) and not by_layer and found.needs & {"mean", "square"}:
        raise UnknownLayerError(
            f"The signal {signal!r} reads BN layers, and which of its columns are those of a third of them is unknown. "
            "Define COLUMN in its file, of what `column_names` is made: ('layer',), ('layer', 'statistic') or "
            "('statistic', 'layer'); or leave `layers: all`."
        )
    return by_layer


def _form_of(signal: str) -> tuple[str, ...]:
    found = registry.get(signal)
    return () if isinstance(found, Comparison) else found.form


def read_again(name: str) -> str:
    """What a column is called if it was read a second time."""
    return f"{AGAIN}{name}"


def second_readings(table: pd.DataFrame) -> dict[str, str]:
    """Columns of a table that were read a second time → what they were called the first time."""
    return {name: name.removeprefix(AGAIN) for name in table.columns if name.startswith(AGAIN)}
