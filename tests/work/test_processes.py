import os
import subprocess
import sys
import time

import psutil
import pytest

from faceleak.work.processes import HOST, is_gone, this_process

CHILD = (
    "import sys; from faceleak.work.processes import this_process; print(this_process(), flush=True); sys.stdin.read()"
)


def test_this_process_is_there():
    assert not is_gone(this_process())


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (f"{HOST}-999999999-1", True),
        (f"{HOST}-words-1", False),
        ("another-host-1-1", False),
        ("", False),
    ],
)
def test_only_a_process_of_this_host_is_known_to_be_gone(process, expected):
    assert is_gone(process) is expected


def test_another_process_of_the_same_number_is_gone():
    assert is_gone(f"{HOST}-{os.getpid()}-1")


def test_a_killed_process_is_gone_before_its_parent_has_looked():
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process = child.stdout.readline().strip()
    assert not is_gone(process)
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_gone(process)
    child.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the start is told by the wall clock")
def test_a_clock_that_is_set_changes_no_name(monkeypatch):
    name = this_process()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)  # as after an hour set back
    assert this_process() == name
    assert not is_gone(name)
