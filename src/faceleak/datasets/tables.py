"""Tables, written through a temporary file."""

from typing import Any

from kedro_datasets.pandas import ParquetDataset

from faceleak.datasets.whole import saving_whole


class TableDataset(ParquetDataset):
    """A pandas table as parquet."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with saving_whole(self):
            super().save(data)
