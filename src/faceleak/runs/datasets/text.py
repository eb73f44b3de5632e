"""Text and settings, written through a temporary file."""

from typing import Any

from kedro_datasets.text import TextDataset as KedroTextDataset
from kedro_datasets.yaml import YAMLDataset as KedroYAMLDataset

from faceleak.runs.datasets.whole import saving_whole


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
