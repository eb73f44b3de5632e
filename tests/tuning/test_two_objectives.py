"""A study of two objectives is repeatable, and goes on after a kill as if nothing had happened."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from faceleak.tuning.options import StudyOptions
from faceleak.tuning.storage import url_of
from faceleak.tuning.study import Plan, open_study, run_plan
from faceleak.work.compute import ComputeOptions
from tests.tuning.conftest import kept_in_memory

PROJECT = Path(__file__).parents[2]
FIRST = {"x": 0.5, "y": 4}


def values(trial) -> tuple[float, float]:
    """Many steps are good and dear."""
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_int("y", 1, 9)
    return x * y, float(y)


def plan_of(objective=values, **changes: object) -> Plan:
    return Plan("two", objective, FIRST, StudyOptions(**({"trials": 16} | changes)), ("maximize", "minimize"))


def tried(cache: Path, **changes: object) -> list[tuple[dict, list[float]]]:
    trials = run_plan(plan_of(**changes), ComputeOptions(workers=1, cache=cache))
    return [(trial.params, trial.values) for trial in trials]


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.tuning.test_two_objectives import plan_of, values
from faceleak.work.compute import ComputeOptions
from faceleak.tuning.study import run_plan

def killed_in(trial):
    found = values(trial)
    if trial.number == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return found

run_plan(plan_of(killed_in), ComputeOptions(workers=1, cache=Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict, list[float]]]:
    with kept_in_memory():
        return tried(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.usefixtures("in_memory")
def test_a_study_of_two_objectives_is_repeatable(undisturbed: list, tmp_path: Path) -> None:
    assert undisturbed[0] == (FIRST, [2.0, 4.0])
    assert tried(tmp_path / "again") == undisturbed
    assert tried(tmp_path / "other", seed=1) != undisturbed


@pytest.mark.slow
def test_a_killed_study_of_two_objectives_goes_on(undisturbed: list, tmp_path: Path) -> None:
    for number in (4, 13):  # among those drawn at random, and among those drawn by what was found
        killed = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path), str(PROJECT), str(number)], env=os.environ, check=False
        )
        assert killed.returncode == -9
    assert tried(tmp_path) == undisturbed
    study = open_study(plan_of(), url_of(plan_of().options, "two", tmp_path))
    states = [trial.state for trial in study.get_trials()]
    assert (states.count(TrialState.FAIL), len(states)) == (2, 18)


@pytest.mark.usefixtures("in_memory")
def test_more_trials_go_on(tmp_path: Path) -> None:
    shorter = tried(tmp_path, trials=5)
    assert tried(tmp_path, trials=7)[:5] == shorter


@pytest.mark.slow
def test_workers_share_a_study(tmp_path: Path) -> None:
    assert len(tried(tmp_path / "shared", trials=4, workers=2)) == 4
