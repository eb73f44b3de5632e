"""What Kedro-Viz shows of a table."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from faceleak.runs.datasets.tables import CSVDataset, TableDataset


def test_a_preview_holds_the_first_rows_and_arrays_in_short(tmp_path: Path) -> None:
    dataset = TableDataset(filepath=str(tmp_path / "people.parquet"))
    rows = {"image_id": list("abc"), "score": [0.5, 1.0, 2.0], "embedding": [np.zeros(4, np.float32)] * 3}
    dataset.save(pd.DataFrame(rows))
    preview = json.loads(json.dumps(dataset.preview(2)))
    assert preview["columns"] == ["image_id", "score", "embedding"]
    assert preview["data"] == [["a", 0.5, "4 numbers"], ["b", 1.0, "4 numbers"]]


def test_an_empty_table_has_an_empty_preview(tmp_path: Path) -> None:
    dataset = TableDataset(filepath=str(tmp_path / "people.parquet"))
    dataset.save(pd.DataFrame({"image_id": pd.Series([], dtype=str)}))
    assert dataset.preview()["data"] == []


def test_names_in_a_csv_file_come_back_as_they_were(tmp_path: Path) -> None:
    dataset = CSVDataset(filepath=str(tmp_path / "risks.csv"), save_args={"index": False})
    risks = pd.DataFrame({"image_id": ["000000012", "NA"], "identity": ["7201", "1e5"], "p_value": [0.25, np.nan]})
    dataset.save(risks)
    assert dataset.load().astype(object).equals(risks.astype(object))
