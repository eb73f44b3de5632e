import subprocess
import sys
from pathlib import Path

import pytest

from faceleak.work.lock import BusyFolderError, working_alone

HOLDER = """
import sys
from pathlib import Path
from faceleak.work.lock import working_alone
with working_alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()  # until it is killed
"""


def test_a_second_run_in_a_folder_is_told_and_goes_on_once_the_first_is_killed(tmp_path):
    data = tmp_path / "data"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        told = rf"Another run is working in {data} .* run the same command again"
        with pytest.raises(BusyFolderError, match=told), working_alone(data):
            raise AssertionError("two are in the folder")
        with working_alone(tmp_path / "other"):
            pass
    finally:
        holder.kill()
        holder.wait()
    with working_alone(data):
        pass
    assert list(Path(data).iterdir()) == []
