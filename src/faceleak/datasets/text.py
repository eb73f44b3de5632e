"""Text, written through a temporary file."""

from kedro_datasets.text import TextDataset as KedroTextDataset

from faceleak.datasets.whole import saving_whole


class TextDataset(KedroTextDataset):
    """A file of text."""

    def save(self, data: str) -> None:
        """Write the text."""
        with saving_whole(self):
            super().save(data)
