"""Tables of the same form, one a name, as one table with a column of names; and back."""

from collections.abc import Mapping

import pandas as pd


def stack(tables: Mapping[str, pd.DataFrame], key: str) -> pd.DataFrame:
    """One table below the other, with their names in the first column, `key`."""
    return pd.concat(tables, names=[key, None]).reset_index(key).reset_index(drop=True)


def parts(table: pd.DataFrame, key: str) -> dict[str, pd.DataFrame]:
    """The inverse of `stack`, in the same order."""
    return {str(name): rows.drop(columns=key).reset_index(drop=True) for name, rows in table.groupby(key, sort=False)}
