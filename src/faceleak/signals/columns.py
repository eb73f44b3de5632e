"""Names of the columns that signals give."""

import pandas as pd


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [column for column in table.columns if column.startswith(f"{signal}.")]
