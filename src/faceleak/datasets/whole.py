"""Kedro's file datasets, writing through a temporary file: a killed run leaves the earlier file or the new one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset

from faceleak.pieces import writing


@contextmanager
def saving_whole(dataset: Any) -> Iterator[None]:
    """Point the dataset at a temporary file inside the block, and give that file the right name afterwards."""
    final: PurePosixPath = dataset._filepath
    with writing(Path(final)) as partial:
        dataset._filepath = PurePosixPath(partial)
        try:
            yield
        finally:
            dataset._filepath = final


class TableDataset(ParquetDataset):
    """A pandas table as parquet."""

    def save(self, data: Any) -> None:
        """Write the table."""
        with saving_whole(self):
            super().save(data)


class TreeDataset(JSONDataset):
    """Plain data as JSON."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"save_args": {"indent": 2}, **arguments})

    def save(self, data: Any) -> None:
        """Write the data."""
        with saving_whole(self):
            super().save(data)
