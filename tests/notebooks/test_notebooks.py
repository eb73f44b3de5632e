"""The notebooks run from top to bottom, draw what they promise, and hold no outputs in the repository."""

import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PROMISED = {  # figures, and what the tables name
    "explore_signals": (3, ["bn_moments", "unseen_identity", "reference_similarity"]),
    "compare_audits": (2, ["auc_difference_ci_low", "epochs", "verification_auc"]),
    "own_signal_and_defense": (1, ["widened_factor_4", "adaptive", "own"]),
}


def test_all_notebooks_are_run() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_outputs_are_stripped(name: str) -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells), (
        f"Strip the outputs: jupyter nbconvert --clear-output --inplace notebooks/{name}.ipynb"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISED)
def test_a_notebook_runs_and_draws(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent / "src"))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    NotebookClient(
        notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}
    ).execute()
    data = [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    figures, words = PROMISED[name]
    pictures = [Image.open(io.BytesIO(base64.b64decode(shown["image/png"]))) for shown in data if "image/png" in shown]
    assert len(pictures) == figures
    assert all(len(picture.convert("L").getcolors(1 << 16) or []) > 10 for picture in pictures)
    tables = " ".join(shown.get("text/plain", "") for shown in data)
    assert [word for word in words if word not in tables] == []
