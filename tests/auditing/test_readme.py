"""The example of the README runs as it stands, but for names, sizes and how long references are trained."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.auditing.conftest import SETTINGS, World

PROJECT = Path(__file__).parents[2]
NO_PIPELINES = """
import sys
loaded = {name.partition(".")[0] for name in sys.modules} & {"kedro", "kedro_datasets", "kedro_mlflow", "mlflow"}
print("loaded:", sorted(loaded))
"""


def example() -> str:
    """The block of Python in the README."""
    [block] = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    return block


def test_it_is_short() -> None:
    assert len(example().splitlines()) + len(["pip install ."]) <= 20


def test_it_runs_to_a_verdict_without_kedro_and_mlflow(world: World, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for name, found in {"trained_on": "trained_on", "others": "others", "attacker": "attackers"}.items():
        (tmp_path / "faces" / name).symlink_to(world.folder / found)
    changes = {
        '"model.pth"': repr(str(world.weights["path"])),
        '"iresnet50"': '"iresnet_tiny"',
        "embedding_size=512": "embedding_size=16",
        '"arcface"': '{"image_size": 32}',
        'auxiliary="faces/attacker",': f'auxiliary="faces/attacker", settings={SETTINGS!r}, device="cpu",',
    }
    code = example()
    for written, ours in changes.items():
        assert code.count(written) == 1, written
        code = code.replace(written, ours)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code + NO_PIPELINES],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert re.match("leaks: |cannot conclude: |no evidence: ", lines[0])
    assert "Membership inference: undefended" in lines
    assert lines[-1] == "loaded: []"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.html", "faces", "roc.png"]
