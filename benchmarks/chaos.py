"""The smoke audit, killed at random moments and run again, ends as an undisturbed one: `python -m benchmarks.chaos`.

Each start is killed with SIGKILL, the driver or one of its workers, with `--engine ray` also the node: a random while
after a random number of files has been written, so that kills fall anywhere in the work, however fast the machine is.
A kill that a run survives, as Ray does the work of a dead worker again, counts as well. Where a run gets through, its
data folder is compared with that of an undisturbed run and emptied, and the next one starts from nothing. With
`--warm`, a start is a fork that has imported its libraries already. Prints a line a start and counts at the end; exit 1
where anything differs, or anything is left behind.
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
GRACE = 30.0  # seconds after which no process of a killed run may be left
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")  # of a node; they end a minute or two after it
GRACE_OF_AGENTS = 180.0  # seconds
UNTIL_A_WORKER = 120.0  # seconds
POLL = 0.1
LONGEST_PAUSE = 0.2  # of an undisturbed run, between the last file that is waited for and the kill
VICTIMS = {"local": ("driver", "driver", "worker"), "ray": ("driver", "worker", "node")}
WORDS = {"worker": ("multiprocessing.spawn", "ray::_work"), "node": ("raylet/raylet",)}  # in their command lines
OF_THE_CLUSTER = ".cluster.json"  # names the cache for the nodes of one cluster
Process = multiprocessing.context.ForkProcess
MOMENT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|\+00:00)?")
HASH = re.compile(rb"\b[0-9a-f]{64}\b")
TELLS_WHEN = ("audit.html", "audit.json", "model_card.md")  # and hash files that do: compared without both


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
        os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{self.runs}", "PYTHONPATH": "src"}
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

    def written_since(self, moment: float) -> int:
        """Files that were written after `moment`, in seconds since 1970."""
        count = 0
        for folder, _, names in os.walk(self.data):  # unlike pathlib's, it bears folders that vanish meanwhile
            for name in names:
                with suppress(OSError):
                    count += os.stat(Path(folder, name)).st_mtime > moment
        return count

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
        """Those that runs of this project have left: they work in its folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left_running(self) -> int:
        """Runs that MLflow takes for running."""
        with sqlite3.connect(self.runs) as database:
            return int(database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])


def digests(folder: Path) -> dict[str, str]:
    """Hash of every file; of those that tell when they were made, without dates and hashes of other files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != OF_THE_CLUSTER)
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


@dataclass(frozen=True)
class Kill:
    """Whom to kill: the driver, a worker or a node; after how many files, and how many seconds more."""

    victim: str
    files: int
    seconds: float


@dataclass
class Tally:
    """What has happened so far."""

    killed: dict[str, int] = field(default_factory=lambda: {"driver": 0, "worker": 0, "node": 0})
    survived: int = 0
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


def disturb(project: Project, process: Process, kill: Kill) -> bool:
    """Kill the run or a process of it; False where it has ended before."""
    started = time.time()
    while process.exitcode is None and project.written_since(started) < kill.files:
        process.join(POLL)
    process.join(kill.seconds)
    if process.exitcode is not None:
        return False
    if kill.victim == "driver":
        process.kill()
        return True
    return _kill_one_of(project, process, WORDS[kill.victim])


def _kill_one_of(project: Project, process: Process, words: tuple[str, ...]) -> bool:
    deadline = time.monotonic() + UNTIL_A_WORKER
    while process.exitcode is None and time.monotonic() < deadline:
        for other in project.processes():
            with suppress(psutil.Error):
                if any(word in " ".join(other.cmdline()) for word in words):
                    other.kill()
                    return True
        process.join(POLL)
    return False


def run(given: argparse.Namespace, folder: Path) -> Tally:
    """Kill until there were `given.kills`, or time is up, and let the last run get through."""
    arguments = [f"--pipelines={given.pipelines}"] if given.pipelines else []
    arguments += [f"--params=compute.engine={given.engine},compute.threads=1"]
    reference = Project(folder / "undisturbed", arguments, given.warm)
    if given.warm:
        sys.path.insert(0, str(reference.folder / "src"))  # a copy: the code may be changed meanwhile
        import kedro.framework.cli.cli  # noqa: F401
        import mlflow  # noqa: F401
        import torch  # noqa: F401

        import faceleak.settings  # noqa: F401

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
    results = sum(not name.startswith("cache/") for name in expected)  # which every run writes anew
    kills = _kills(random.Random(given.seed), VICTIMS[given.engine], results, whole)
    for number, kill in enumerate(kills, start=1):
        last = tally.kills >= given.kills or time.monotonic() > end
        outcome = _once(project, tally, None if last else kill, expected)
        print(f"{number}: {outcome} ({tally.kills} kills, {tally.finished} runs finished)", flush=True)
        if last:
            _no_orphans(project, tally, (), GRACE_OF_AGENTS)
            return tally
    raise AssertionError


def _kills(draw: random.Random, victims: tuple[str, ...], results: int, whole: float) -> Iterator[Kill]:
    for _ in itertools.count():
        victim = draw.choice(victims)
        yield Kill(victim, draw.randrange(results), draw.uniform(0, LONGEST_PAUSE * whole))


def _once(project: Project, tally: Tally, kill: Kill | None, expected: dict[str, str]) -> str:
    """Start once, kill or not, and look at what is left; return what happened."""
    process = project.start()
    killed = kill is not None and disturb(project, process, kill)
    process.join()
    code = process.exitcode or 0
    _no_orphans(project, tally)
    if killed and kill is not None:
        tally.killed[kill.victim] += 1
        tally.survived += code == 0
    if killed and kill is not None and code != 0:
        if kill.victim == "worker" and code < 0:
            tally.note(f"the driver died of its worker's death ({code})")
        return f"{kill.victim} killed {kill.seconds:.1f} s after {kill.files} files"
    if code != 0:
        tally.note(f"a run failed that nobody had killed:\n{project.log()[-3000:]}")
        return "failed"
    tally.finished += 1
    _as_undisturbed(project, tally, expected)
    project.empty()
    return f"finished, though a {kill.victim} was killed" if killed and kill is not None else "finished"


def _no_orphans(project: Project, tally: Tally, late: tuple[str, ...] = AGENTS, grace: float = GRACE) -> None:
    """Note and end what is still there after so many seconds, but for the processes that may end later."""

    def left() -> list[psutil.Process]:
        return [process for process in project.processes() if _title(process) not in late]

    deadline = time.monotonic() + grace
    while left() and time.monotonic() < deadline:
        time.sleep(POLL)
    for process in left():
        with suppress(psutil.Error):
            tally.note(f"a process is left: {' '.join(process.cmdline())}")
            process.kill()


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()).strip()
    return ""


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
    parser.add_argument("--minutes", type=float, default=1440.0, help="no more kills after that")
    parser.add_argument("--warm", action="store_true", help="fork a process that has imported its libraries")
    parser.add_argument("--pipelines", help="of the smoke environment; default: the whole audit")
    parser.add_argument("--engine", choices=VICTIMS, default="local")
    parser.add_argument("--folder", type=Path, help="where to work, kept at the end; default: a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "chaos"
        tally = run(given, folder.absolute())
    counted = {**{f"{victim} killed": count for victim, count in tally.killed.items()}, "survived": tally.survived}
    counted["runs finished"] = tally.finished
    print(json.dumps({**counted, "problems": len(tally.problems)}))
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
