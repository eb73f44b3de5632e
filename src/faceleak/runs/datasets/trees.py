"""Plain data, written through a temporary file."""

from typing import Any

from kedro_datasets.json import JSONDataset

from faceleak.runs.datasets.whole import saving_whole


class TreeDataset(JSONDataset):
    """Plain data as JSON."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"save_args": {"indent": 2}, **arguments})

    def save(self, data: Any) -> None:
        """Write the data."""
        with saving_whole(self):
            super().save(data)
