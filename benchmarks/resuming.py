"""A killed reconstruction ends as one that was left alone. Needs the results of `make attack`.

`python -m benchmarks.resuming` copies the project with its data, forgets the reconstructions there, runs the
`reconstruction` pipeline once without and once with SIGKILL while faces are searched, and compares what both made.
Options of `kedro run`, as `--env=smoke`, are passed on. Exit 1 where anything differs.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

COPIED = ("conf", "src", "data", "pyproject.toml", ".telemetry")
COMPARED = ("gallery.png", "findings.parquet", "reconstructions.safetensors")
REMADE = ("07_model_output/reconstructions.safetensors", "07_model_output/findings.parquet", "08_reporting/gallery.png")


def copy_project(folder: Path) -> None:
    """Copy what a run needs."""
    for name in COPIED:
        source = Path(name)
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def start(folder: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Run the `reconstruction` pipeline in a process group of its own."""
    command = [str(Path(sys.executable).with_name("kedro")), "run", "--pipelines=reconstruction", *arguments]
    environment = {**os.environ, "PYTHONPATH": "src", "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    log = (folder / "log.txt").open("ab")
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def forget(folder: Path) -> None:
    """Remove all reconstructions, finished or not, and what was made of them."""
    for kept in folder.glob("data/**/cache/reconstructions"):
        shutil.rmtree(kept)
    for name in REMADE:
        for path in folder.glob(f"data/**/{name}"):
            path.unlink()


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of what is compared, wherever the environment keeps it."""
    found = (path for name in COMPARED for path in sorted(folder.glob(f"data/**/{name}")))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for a run to end well."""
    if process.wait() != 0:
        raise SystemExit((folder / "log.txt").read_text())


def kill_in_a_round(process: subprocess.Popen[bytes], folder: Path) -> list[str]:
    """SIGKILL all processes of the run once a round is finished; return the rounds that are there then."""
    while process.poll() is None:
        if rounds := sorted(folder.glob("data/**/cache/reconstructions/*.rounds/round_*.safetensors")):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return [path.name for path in rounds]
        time.sleep(0.02)
    raise SystemExit("The run ended before it could be killed.")


def run(arguments: list[str]) -> bool:
    """Print hashes of both runs, and whether they are the same."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        forget(folder)
        finish(start(folder, arguments), folder)
        whole = hashes(folder)
        forget(folder)
        print("killed after", ", ".join(kill_in_a_round(start(folder, arguments), folder)))
        finish(start(folder, arguments), folder)
        resumed = hashes(folder)
    for path, digest in whole.items():
        print(f"{path}: {digest[:16]} {'=' if resumed.get(path) == digest else '≠'} {resumed.get(path, '')[:16]}")
    return bool(whole) and resumed == whole


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1:]) else 1)
