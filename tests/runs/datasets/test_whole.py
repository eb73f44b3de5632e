"""File datasets write whole files: a failure leaves the earlier one."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.io.core import DatasetError
from matplotlib.figure import Figure

from faceleak.runs.datasets.figures import FigureDataset
from faceleak.runs.datasets.tables import TableDataset
from faceleak.runs.datasets.text import TextDataset, TreeDataset

CONF = Path(__file__).parents[3] / "conf"


def types_in(entry: object) -> list[str]:
    if not isinstance(entry, dict):
        return []
    own = [str(entry["type"])] if "type" in entry else []
    return own + [name for value in entry.values() for name in types_in(value)]


@pytest.mark.parametrize("catalog", sorted(CONF.glob("*/catalog*.yml")), ids=lambda path: path.name)
def test_every_file_of_the_catalog_is_written_by_a_dataset_that_writes_whole_files(catalog: Path) -> None:
    outside = {"kedro_mlflow.io.artifacts.MlflowArtifactDataset", "kedro.io.MemoryDataset"}  # write no file
    others = set(types_in(yaml.safe_load(catalog.read_text()))) - outside
    assert {name for name in others if not name.startswith("faceleak.runs.datasets.")} == set()


def test_table_round_trip(tmp_path: Path) -> None:
    table = pd.DataFrame({"image_id": ["a", "b"], "score": [0.5, -1.0]})
    dataset = TableDataset(filepath=str(tmp_path / "folder" / "scores.parquet"))
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["scores.parquet"]


def test_a_failing_save_leaves_the_earlier_tree(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    dataset = TreeDataset(filepath=str(path))
    dataset.save({"auc": 0.5})
    with pytest.raises(DatasetError):
        dataset.save({"auc": object()})
    assert json.loads(path.read_text()) == {"auc": 0.5}
    assert list(tmp_path.iterdir()) == [path]


def test_figure_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    figure = Figure()
    figure.add_subplot().plot([0, 1])
    FigureDataset(filepath=str(path)).save(figure)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert FigureDataset(filepath=str(path)).load() == path.read_bytes()


def test_text_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    TextDataset(filepath=str(path)).save("# ε")
    assert TextDataset(filepath=str(path)).load() == "# ε"
    assert list(tmp_path.iterdir()) == [path]
