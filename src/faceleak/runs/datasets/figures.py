"""Figures, written through a temporary file."""

from pathlib import Path
from typing import Any

from kedro_datasets.matplotlib import MatplotlibDataset

from faceleak.runs.datasets.text import saving_whole


class FigureDataset(MatplotlibDataset):
    """A matplotlib figure as PNG."""

    def save(self, data: Any) -> None:
        """Draw the figure."""
        with saving_whole(self):
            super().save(data)

    def load(self) -> bytes:
        """Read the PNG."""
        return Path(self._filepath).read_bytes()
