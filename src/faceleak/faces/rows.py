"""Tables of any length, read a slice at a time, and integer keys for their texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Table = pd.DataFrame | Path
Keys = NDArray[np.uint64]

ROWS_PER_SLICE = 1 << 18
NO_KEY = 0


def slices(table: Table, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield the named columns in slices of `ROWS_PER_SLICE` rows; a Parquet file is never read as a whole."""
    if isinstance(table, pd.DataFrame):
        for start in range(0, len(table), ROWS_PER_SLICE):
            yield table.iloc[start : start + ROWS_PER_SLICE][list(columns)]
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(ROWS_PER_SLICE, columns=list(columns)):
            yield batch.to_pandas()


def columns_of(table: Table) -> list[str]:
    """Names of the columns."""
    if isinstance(table, pd.DataFrame):
        return list(table.columns)
    import pyarrow.parquet as pq

    return list(pq.read_schema(table).names)


def keys_of(texts: "pd.Series[str]") -> Keys:
    """Make a 64-bit number of each text (SipHash), `NO_KEY` of a missing one.

    Two different texts out of n have the same number with a probability of n² / 2⁶⁵: one in a million for 5.8 million.
    """
    keys: Keys = pd.util.hash_array(texts.astype("str").array, categorize=False)
    keys[texts.isna().to_numpy()] = NO_KEY
    return keys
