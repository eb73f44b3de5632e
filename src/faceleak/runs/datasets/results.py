"""The results in the data folder of an audit, read only if a report or a gate needs them."""

from typing import Any

from faceleak.reporting.audit.files import ResultFiles, Tree
from faceleak.runs.datasets.rooms import _PathDataset


class ResultsDataset(_PathDataset):
    """The data folder of an audit, which holds 03_primary, 06_models and 08_reporting. Nothing saves to it."""

    def load(self) -> Any:
        """Open the folder."""
        return ResultFiles(self._filepath)

    def save(self, data: Any) -> None:
        """Raise: each pipeline saves its results by itself."""
        raise NotImplementedError("Results are saved by the pipelines that make them.")


class AllMetricsDataset(ResultsDataset):
    """Every tree of metrics, by the name of its file; `filepath` is `<data folder>/08_reporting/*_metrics.json`."""

    def load(self) -> dict[str, Tree]:
        """Read all files."""
        return ResultFiles(self._filepath.parents[1]).metrics()
