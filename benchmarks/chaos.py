"""The smoke audit, killed at random moments and run again, ends as an undisturbed one: `python -m benchmarks.chaos`.

Each start is killed with SIGKILL, the driver or one of its workers; where a run gets through, its data folder is
compared with that of an undisturbed run, emptied, and the next one starts from nothing. With `--warm`, a start is a
fork that has imported its libraries already, so that more kills fall into the work. Prints a line a start and counts at
the end; exit 1 where anything differs, or anything is left behind.
"""

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

KEDRO = Path(sys.executable).with_name("kedro")
MARK = "FACELEAK_CHAOS"  # in the environment of all processes that a start has made
GRACE = 10.0  # seconds after which no process of a killed run may be left
UNTIL_A_WORKER = 120.0  # seconds
POLL = 0.05
WORKER = "multiprocessing.spawn"
Process = multiprocessing.context.ForkProcess
MOMENT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|\+00:00)?")
HASH = re.compile(rb"\b[0-9a-f]{64}\b")
TELLS_WHEN = ("audit.html", "audit.json", "model_card.md")  # and hash files that do: compared without both
TELLS_HOW_LONG = ("defense_utility_metrics.json", "defense.results.json", "privacy_utility.csv", "privacy_utility.html")


@dataclass
class Project:
    """A copy of the project, in which `kedro` is run as a user would."""

    folder: Path
    arguments: list[str]
    warm: bool

    def __post_init__(self) -> None:
        here = Path(__file__).resolve().parents[1]
        self.folder.mkdir(parents=True)
        shutil.copytree(here / "conf", self.folder / "conf")
        shutil.copytree(here / "src", self.folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(here / name, self.folder / name)

    @property
    def data(self) -> Path:
        """Everything that a run leaves behind but MLflow's records."""
        return self.folder / "data" / "smoke"

    @property
    def runs(self) -> Path:
        """MLflow's database."""
        return self.folder / "mlflow.db"

    def start(self) -> Process:
        """Start a run."""
        process = multiprocessing.get_context("fork").Process(target=self._run)
        process.start()
        return process

    def _run(self) -> None:
        """Be `kedro run`."""
        os.chdir(self.folder)
        os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{self.runs}", "PYTHONPATH": "src", MARK: str(self.folder)}
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        command = ["run", "--env=smoke", *self.arguments]
        if not self.warm:
            os.execv(KEDRO, [str(KEDRO), *command])
        from kedro.framework.cli.cli import KedroCLI
        from kedro.framework.startup import bootstrap_project

        bootstrap_project(self.folder)
        KedroCLI(self.folder).main(command)

    def log(self) -> str:
        """What the last run has printed."""
        return (self.folder / "log").read_text(errors="replace")

    def empty(self) -> None:
        """Remove all that runs have left."""
        for path in (self.folder / "data", self.folder / "mlruns", self.folder / "mlartifacts"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("mlflow.db*"):
            path.unlink()

    def processes(self) -> list[psutil.Process]:
        """Those that runs of this project have left."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left_running(self) -> int:
        """Runs that MLflow takes for running."""
        with sqlite3.connect(self.runs) as database:
            return int(database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])


def digests(folder: Path) -> dict[str, str]:
    """Hash of every file, without what may differ from run to run: moments, and how long a defence took."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(_comparable(path)).hexdigest() for path in files}


def _comparable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name in TELLS_WHEN:
        content = HASH.sub(b"", MOMENT.sub(b"", content))
    return content


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Files that are missing, too many, or different."""
    names = sorted(expected.keys() | found.keys())
    return [name for name in names if expected.get(name) != found.get(name)]


@dataclass
class Tally:
    """What has happened so far."""

    killed: dict[str, int] = field(default_factory=lambda: {"driver": 0, "worker": 0})
    finished: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Kills in all."""
        return sum(self.killed.values())

    def note(self, problem: str) -> None:
        """Keep and print what should not be."""
        self.problems.append(problem)
        print(f"  PROBLEM: {problem}", flush=True)


def disturb(process: Process, moment: float, victim: str) -> bool:
    """Kill the run or a worker of it once `moment` seconds have passed; False where it has ended before."""
    process.join(moment)
    if process.exitcode is not None:
        return False
    if victim == "driver":
        process.kill()
        return True
    return _kill_worker(process)


def _kill_worker(process: Process) -> bool:
    deadline = time.monotonic() + UNTIL_A_WORKER
    while process.exitcode is None and time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.Error):
                if WORKER in " ".join(child.cmdline()):
                    child.kill()
                    return True
        process.join(POLL)
    return False


def run(given: argparse.Namespace, folder: Path) -> Tally:
    """Kill until there were `given.kills`, or time is up, and let the last run get through."""
    if given.warm:
        import kedro.framework.cli.cli  # noqa: F401
        import mlflow  # noqa: F401
        import torch  # noqa: F401

        import faceleak.settings  # noqa: F401
    arguments = [f"--pipelines={given.pipelines}"] if given.pipelines else []
    reference = Project(folder / "undisturbed", arguments, given.warm)
    started = time.monotonic()
    process = reference.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(reference.log())
    whole = time.monotonic() - started
    expected = digests(reference.data)
    print(f"undisturbed: {whole:.0f} s, {len(expected)} files", flush=True)
    project, tally = Project(folder / "killed", arguments, given.warm), Tally()
    end = time.monotonic() + 60 * given.minutes
    moments = _moments(random.Random(given.seed), given.longest or whole)
    for number, (moment, victim) in enumerate(moments, start=1):
        last = tally.kills >= given.kills or time.monotonic() > end
        outcome = _once(project, tally, None if last else (moment, victim), expected)
        print(f"{number}: {outcome} ({tally.kills} kills, {tally.finished} runs finished)", flush=True)
        if last:
            return tally
    raise AssertionError


def _moments(draw: random.Random, longest: float) -> Iterator[tuple[float, str]]:
    return ((draw.uniform(0, longest), draw.choice(("driver", "driver", "worker"))) for _ in itertools.count())


def _once(project: Project, tally: Tally, kill: tuple[float, str] | None, expected: dict[str, str]) -> str:
    """Start once, kill or not, and look at what is left; return what happened."""
    process = project.start()
    killed = kill is not None and disturb(process, *kill)
    process.join()
    code = process.exitcode or 0
    _no_orphans(project, tally)
    if killed and kill is not None and code != 0:
        tally.killed[kill[1]] += 1
        if kill[1] == "worker" and code < 0:
            tally.note(f"the driver died of its worker's death ({code})")
        return f"{kill[1]} killed after {kill[0]:.1f} s"
    if code != 0:
        tally.note(f"a run failed that nobody had killed:\n{project.log()[-3000:]}")
        return "failed"
    tally.finished += 1
    _as_undisturbed(project, tally, expected)
    project.empty()
    return "finished"


def _no_orphans(project: Project, tally: Tally) -> None:
    deadline = time.monotonic() + GRACE
    while (left := project.processes()) and time.monotonic() < deadline:
        time.sleep(POLL)
    for process in left:
        with suppress(psutil.Error):
            tally.note(f"a process is left: {' '.join(process.cmdline())}")
            process.kill()


def _as_undisturbed(project: Project, tally: Tally, expected: dict[str, str]) -> None:
    for name in differences(expected, digests(project.data)):
        tally.note(f"differs from the undisturbed run: {name}")
    if running := project.left_running():
        tally.note(f"{running} runs are RUNNING in MLflow after the last one has ended")


def main() -> int:
    """Read the arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, help="latest moment of a kill, in seconds; default: a whole run")
    parser.add_argument("--minutes", type=float, default=1440.0, help="no more kills after that")
    parser.add_argument("--warm", action="store_true", help="fork a process that has imported its libraries")
    parser.add_argument("--pipelines", help="of the smoke environment; default: the whole audit")
    parser.add_argument("--folder", type=Path, help="where to work, kept at the end; default: a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "chaos"
        tally = run(given, folder.absolute())
    counted = {**{f"{victim} killed": count for victim, count in tally.killed.items()}, "runs finished": tally.finished}
    print(json.dumps({**counted, "problems": len(tally.problems)}))
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
