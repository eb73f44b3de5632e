"""Checks of the data that a figure or table needs."""

from collections.abc import Sequence

import pandas as pd

from faceleak.common.errors import FaceleakError


class ReportingError(FaceleakError):
    """What was handed in cannot be shown as it is."""


def check_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raise ReportingError if columns or all rows are missing; `name` is what the error calls the table."""
    if missing := [column for column in columns if column not in table.columns]:
        raise ReportingError(f"The {name} lack {', '.join(missing)}. Needed are: {', '.join(columns)}.")
    if table.empty:
        raise ReportingError(f"The {name} have no rows, so there is nothing to show. Look at the step that made them.")


def only_value(table: pd.DataFrame, column: str, name: str) -> str:
    """The one value of a column; raises ReportingError if there are several, which a figure would mix."""
    values = table[column].unique()
    if len(values) > 1:
        raise ReportingError(
            f"The {name} hold {len(values)} values of `{column}` ({', '.join(map(str, values[:5]))}), which one figure "
            f"would mix up. Select the rows of one `{column}` first."
        )
    return str(values[0])
