"""Tables, written through a temporary file."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets.pandas import CSVDataset as KedroCSVDataset
from kedro_datasets.pandas import ParquetDataset

from faceleak.datasets.whole import saving_whole
from faceleak.pieces import writing
from faceleak.sealed import load_table, save_table


class TableDataset(ParquetDataset):
    """A pandas table as parquet."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with writing(Path(self._filepath)) as partial:
            save_table(partial, data)

    def load(self) -> pd.DataFrame:
        """Read the table."""
        return load_table(Path(self._filepath))


class CSVDataset(KedroCSVDataset):
    """A pandas table as CSV, for people and other programs."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with saving_whole(self):
            super().save(data)
