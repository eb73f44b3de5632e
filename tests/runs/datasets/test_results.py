"""The folder of results as a data set."""

from pathlib import Path

import pytest
from kedro.io.core import DatasetError

from faceleak.runs.datasets.results import ResultsDataset


def test_the_folder_is_opened_and_never_written(tmp_path: Path) -> None:
    dataset = ResultsDataset(str(tmp_path))
    assert dataset.load().folder == tmp_path
    with pytest.raises(DatasetError):
        dataset.save({})
