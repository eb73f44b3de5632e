"""Text, settings and plain data, through a temporary file: a killed run leaves the earlier file or the new one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset as KedroTextDataset
from kedro_datasets.yaml import YAMLDataset as KedroYAMLDataset

from faceleak.work.tasks import writing


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


class TextDataset(KedroTextDataset):
    """A file of text."""

    def save(self, data: str) -> None:
        """Write the text."""
        with saving_whole(self):
            super().save(data)


class YAMLDataset(KedroYAMLDataset):
    """Settings as YAML."""

    def save(self, data: dict[str, Any]) -> None:
        """Write the settings."""
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
