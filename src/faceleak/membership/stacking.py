"""Tables of the same form, one a name, as one table with a column of names; and back."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def stack(tables: Mapping[Any, pd.DataFrame], *keys: str) -> pd.DataFrame:
    """One table below the other, with their names, or the fields of their records, in the first columns, `keys`."""
    named = {record if len(keys) == 1 else tuple(record): table for record, table in tables.items()}
    return pd.concat(named, names=[*keys, None]).reset_index(list(keys)).reset_index(drop=True)


def parts(table: pd.DataFrame, key: str) -> dict[str, pd.DataFrame]:
    """The inverse of `stack`, in the same order."""
    return {str(name): rows.drop(columns=key).reset_index(drop=True) for name, rows in table.groupby(key, sort=False)}
