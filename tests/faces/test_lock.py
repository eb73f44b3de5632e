import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faceleak.faces.lock import BusyStoreError
from faceleak.faces.packing import Packing
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore, pack

HOLDER = """
import sys
from pathlib import Path
from faceleak.faces.lock import packing_alone
with packing_alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()  # until it is killed
"""


def test_a_second_run_is_told_and_goes_on_once_the_first_is_killed(face, listed, tmp_path):
    path, people = tmp_path / "faces.arrow", tmp_path / "people"
    for image in ("anna/0", "bert/0"):
        (people / image).parent.mkdir(parents=True)
        (people / f"{image}.jpg").write_bytes(face(image).jpeg)
    path.write_bytes(b"an earlier store")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        for into in (Packing(FaceFolder(people)).into, lambda path: pack(listed([face("anna/0")]), path)):
            with pytest.raises(BusyStoreError, match=r"Another run is packing .*faces\.arrow .* run the same command"):
                into(path)
        assert path.read_bytes() == b"an earlier store"
        assert not Path(f"{path}.parts").exists()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    Packing(FaceFolder(people)).into(path)
    assert len(FaceStore(path)) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["faces.arrow", "people"]


def test_a_store_that_is_there_is_taken_without_waiting(face, listed, tmp_path):
    source, path = listed([face("anna/0")]), tmp_path / "faces.arrow"
    pack(source, path)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        pack(source, path)
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()
