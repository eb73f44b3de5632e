"""What an audit has left in its data folder, read only where a report asks for it."""

from typing import Any

from faceleak.datasets.rooms import _PathDataset
from faceleak.reporting.audit.files import ResultFiles


class ResultsDataset(_PathDataset):
    """The data folder of an audit; `folder` holds 03_primary, 06_models and 08_reporting. Nothing saves to it."""

    def __init__(self, folder: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(folder, metadata)

    def load(self) -> ResultFiles:
        """Open the folder."""
        return ResultFiles(self._filepath)

    def save(self, data: Any) -> None:
        """Raise: each pipeline saves its results by itself."""
        raise NotImplementedError("Results are saved by the pipelines that make them.")
