"""Tables, written through a temporary file."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import CSVDataset as KedroCSVDataset
from kedro_datasets.pandas import ParquetDataset

from faceleak.common.text_tables import read_results
from faceleak.runs.datasets.text import saving_whole
from faceleak.work.checksummed import load_table, save_table
from faceleak.work.tasks import writing


class TableDataset(ParquetDataset):
    """A pandas table as parquet."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with writing(Path(self._filepath)) as partial:
            save_table(partial, data)

    def load(self) -> pd.DataFrame:
        """Read the table."""
        return load_table(Path(self._filepath))

    def preview(self, nrows: int = 5) -> TablePreview:
        """Give the first rows to Kedro-Viz, without reading the others; arrays such as embeddings as text."""
        from pyarrow.parquet import ParquetFile

        rows = next(ParquetFile(self._get_load_path()).iter_batches(nrows), None)
        table = self.load().head(0) if rows is None else rows.to_pandas()
        for column in table:
            table[column] = table[column].map(_in_short)
        preview: TablePreview = table.to_dict(orient="split")
        return preview


class CSVDataset(KedroCSVDataset):
    """A pandas table as CSV, for people and other programs."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with saving_whole(self):
            super().save(data)

    def load(self) -> pd.DataFrame:
        """Read the table, names as text."""
        return read_results(Path(self._filepath))


def _in_short(cell: Any) -> Any:
    shape = getattr(cell, "shape", ())
    return f"{' × '.join(map(str, shape))} numbers" if shape else cell
