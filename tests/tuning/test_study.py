"""Studies: repeatable, kept, gone on with after a kill, and never drawn from what they should not know."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faceleak.membership.models.base import AttackFitError
from faceleak.membership.options import AttackOptions
from faceleak.membership.views import own_auc
from faceleak.tuning import storage
from faceleak.tuning.attack_study import OwnData, name_of, try_attacks
from faceleak.tuning.results import best_attack, importances, trials_table
from faceleak.tuning.storage import BusyStudyError, StorageError, study_file, working_alone
from faceleak.work.compute import ComputeOptions
from tests.tuning.conftest import DEFAULT, kept_in_memory, options_of, own_people

PROJECT = Path(__file__).parents[2]


def tuned(people: OwnData, cache: Path, **changes: object) -> pd.DataFrame:
    options = options_of(**changes)
    return trials_table(try_attacks(people, DEFAULT, options, ComputeOptions(workers=1, cache=cache)))


@pytest.fixture(scope="session")
def undisturbed(people: OwnData, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    with kept_in_memory():
        return tuned(people, tmp_path_factory.mktemp("undisturbed"), trials=16)


def test_the_default_comes_first_and_the_best_is_found(people, undisturbed):
    first = undisturbed.iloc[0]
    assert (first["signals.bn_distance"], first["regularization"]) == (False, 1.0)
    assert first["own_auc"] == own_auc(people.inputs[0], DEFAULT)
    best = undisturbed.loc[undisturbed["own_auc"].idxmax()]
    assert best["signals.bn_distance"]
    assert best["own_auc"] == pytest.approx(0.92, abs=0.05)  # Φ(2/√2) = 0.921


@pytest.mark.usefixtures("in_memory")
def test_only_what_is_below_the_median_of_those_before_it_is_pruned(people, tmp_path):
    trials = tuned(people, tmp_path, trials=16, seed=3)
    assert set(trials["state"]) == {"complete", "pruned"}
    folds = trials[[f"own_auc_{fold}" for fold in range(1, 6)]].to_numpy()
    for place, (state, values) in enumerate(zip(trials["state"], folds, strict=True)):
        earlier = folds[:place][(trials["state"] == "complete")[:place]]
        last = np.isfinite(values).sum() - 1
        if state == "pruned":
            assert len(earlier) >= 5
            assert values[: last + 1].max() < np.median(earlier[:, last])
        else:
            assert last == 4


@pytest.mark.usefixtures("in_memory")
def test_another_study_of_the_same_name_is_the_same_and_another_seed_is_not(people, undisturbed, tmp_path):
    pd.testing.assert_frame_equal(tuned(people, tmp_path, trials=16), undisturbed)
    other = tuned(people, tmp_path, trials=16, seed=1)
    assert not other["regularization"].equals(undisturbed["regularization"])


def test_a_study_is_gone_on_with_and_fewer_trials_are_its_beginning(people, undisturbed, tmp_path):
    tuned(people, tmp_path, trials=6)
    tuned(people, tmp_path, trials=16)
    pd.testing.assert_frame_equal(tuned(people, tmp_path, trials=16), undisturbed)
    shorter = tuned(people, tmp_path, trials=6)
    pd.testing.assert_frame_equal(shorter, undisturbed.head(6)[shorter.columns])
    assert len(list((tmp_path / "studies").glob("*.db"))) == 1


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.tuning.conftest import DEFAULT, options_of, own_people
from faceleak.work.compute import ComputeOptions
from faceleak.tuning import attack_study
from faceleak.tuning.attack_study import try_attacks

judge, begun = attack_study.own_aucs, []

def stays(*arguments):
    begun.append(1)
    for value in judge(*arguments):
        yield value
        if len(begun) > int(sys.argv[4]):
            sys.exit(sys.stdin.read())

attack_study.own_aucs = stays
options = options_of(trials=16, storage=sys.argv[3] or None)
try_attacks(own_people(), DEFAULT, options, ComputeOptions(workers=1, cache=Path(sys.argv[1])))
"""


def trials_in(cache: Path) -> list[tuple[int, str]]:
    """Number and state of all trials in the study's file, as another process sees them."""
    files = list((cache / "studies").glob("*.db"))
    if not files:
        return []
    with closing(sqlite3.connect(files[0], timeout=60)) as database:
        if not database.execute("SELECT name FROM sqlite_master WHERE name = 'trials'").fetchall():
            return []
        return database.execute("SELECT number, state FROM trials ORDER BY number").fetchall()


def beats(cache: Path) -> int:
    """Heartbeats of the trials that run."""
    (file,) = (cache / "studies").glob("*.db")
    with closing(sqlite3.connect(file, timeout=60)) as database:
        query = "SELECT count(*) FROM trials JOIN trial_heartbeats USING (trial_id) WHERE state = 'RUNNING'"
        return database.execute(query).fetchone()[0]


def killed_in_the_middle(cache: Path, trials: int, ended: int, storage: str = "") -> list[tuple[int, str]]:
    """Start the study in a process of its own, which ends some trials and stays in the next until it is killed.

    Returns what it has left: `trials`, the last of them running.
    """
    command = [sys.executable, "-c", SCRIPT, str(cache), str(PROJECT), storage, str(ended)]
    process = subprocess.Popen(command, env=os.environ, stdin=subprocess.PIPE)
    while len(trials_in(cache)) < trials or not beats(cache):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return trials_in(cache)


def test_a_killed_study_goes_on_as_if_nothing_had_happened(people, undisturbed, tmp_path):
    left = killed_in_the_middle(tmp_path, trials=4, ended=3)
    again = killed_in_the_middle(tmp_path, trials=6, ended=1)
    assert [left[-1][1], again[-1][1]] == ["RUNNING", "RUNNING"]
    assert again[: len(left)] == [*left[:-1], (len(left) - 1, "FAIL")]  # all that had ended is there
    pd.testing.assert_frame_equal(tuned(people, tmp_path, trials=16), undisturbed)
    states = [state for _, state in trials_in(tmp_path)]
    assert (states.count("FAIL"), len(states)) == (2, 18)  # none was tried twice, and none too many


@pytest.mark.slow
def test_a_trial_of_a_machine_that_is_gone_fails_after_a_while_and_another_takes_its_place(
    people, undisturbed, tmp_path, monkeypatch
):
    shared = tmp_path / "studies" / "shared.db"
    shared.parent.mkdir()
    left = killed_in_the_middle(tmp_path, trials=3, ended=2, storage=f"sqlite:///{shared}")
    assert left[-1][1] == "RUNNING"
    monkeypatch.setattr(storage, "GRACE", 1)
    time.sleep(2)
    found = tuned(people, tmp_path, trials=16, storage=f"sqlite:///{shared}")
    pd.testing.assert_frame_equal(found, undisturbed)  # nobody else was at it, and the beat had stopped
    assert trials_in(tmp_path)[len(left) - 1][1] == "FAIL"
    assert len(trials_in(tmp_path)) == 17


@pytest.mark.slow
def test_several_workers_share_a_study(people, tmp_path):
    options = options_of(trials=6, workers=2)
    trials = try_attacks(people, DEFAULT, options, ComputeOptions(workers=1, cache=tmp_path))
    assert len(trials) == 6
    assert len({tuple(trial.params.items()) for trial in trials}) == 6
    assert not any(state in ("RUNNING", "FAIL") for _, state in trials_in(tmp_path))


def test_two_runs_on_one_study_are_refused(people, tmp_path):
    file = study_file(tmp_path, name_of(people, DEFAULT, options_of()))
    with working_alone(file), pytest.raises(BusyStudyError, match="at this moment"):
        tuned(people, tmp_path)
    assert len(tuned(people, tmp_path)) == 8


def test_a_database_of_ones_own_is_used_and_a_wrong_one_is_told_without_its_password(people, tmp_path, undisturbed):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    shorter = tuned(people, tmp_path / "cache", storage=url)
    pd.testing.assert_frame_equal(shorter, undisturbed.head(8)[shorter.columns])
    assert not (tmp_path / "cache").exists()
    with pytest.raises(StorageError, match="URL in `storage`") as raised:
        tuned(people, tmp_path, storage="postgresql+nosuchdriver://someone:secret@nowhere/studies")
    assert "secret" not in str(raised.value)
    assert "secret" not in options_of(storage="postgresql://someone:secret@nowhere/studies").model_dump_json()


@pytest.mark.usefixtures("in_memory")
def test_what_cannot_be_fitted_ends_the_study_with_the_reason(tmp_path):
    with pytest.raises(AttackFitError):
        tuned(own_people(people=3), tmp_path)


def test_the_name_depends_on_data_options_and_default_but_not_on_the_number_of_trials(people):
    name = name_of(people, DEFAULT, options_of())
    assert name_of(own_people(), DEFAULT, options_of(trials=99)) == name
    others = [
        name_of(own_people(people=42), DEFAULT, options_of()),
        name_of(people, AttackOptions(signals=["embedding_norm"], regularization=2.0), options_of()),
        name_of(people, DEFAULT, options_of(seed=1)),
        name_of(people, DEFAULT, options_of(workers=2)),
        name_of(people, DEFAULT, options_of(pruning=False)),
    ]
    assert len({name, *others}) == 6


@pytest.mark.usefixtures("in_memory")
def test_what_matters_is_found_and_where_nothing_differs_nothing_is_said(people, tmp_path):
    options = options_of(trials=16, pruning=False)
    trials = try_attacks(people, DEFAULT, options, ComputeOptions(workers=1, cache=tmp_path))
    shares = importances(trials, seed=0)
    assert shares["signals.bn_distance"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert "bn_distance" in best_attack(trials, options.space).signals
    assert importances(trials[:1], seed=0) == {}


@pytest.mark.parametrize("module", ["tuning.sampling", "membership.models.mlp", "membership.calibration.rmia"])
def test_a_study_is_another_once_its_code_has_changed(module, people, edited):
    space = options_of().space.model_dump() | {"model": ["logistic", "mlp"], "calibration": [None, "rmia"]}
    options, plain = options_of(space=space), options_of()
    before, before_plain = name_of(people, DEFAULT, options), name_of(people, DEFAULT, plain)
    edited(f"faceleak.{module}")
    assert name_of(people, DEFAULT, options) != before
    assert (name_of(people, DEFAULT, plain) != before_plain) == (module == "tuning.sampling")


def test_no_code_runs_in_a_study_that_is_not_in_its_name(people, tmp_path, not_in_keys):
    compute = ComputeOptions(workers=1, cache=tmp_path)
    assert not_in_keys(lambda: try_attacks(people, DEFAULT, options_of(trials=2), compute)) == set()
