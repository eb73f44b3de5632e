import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceleak.common.errors import FaceleakError
from faceleak.common.options import Options
from faceleak.work import closure
from faceleak.work.lock import working_alone
from faceleak.work.processes import HOST, this_process
from faceleak.work.tasks import DiskError, code_version, fingerprint, remembered_json, sweep, write_json, writing


class Settings(Options):
    strength: float = 0.5
    name: str = "a"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_takes_its_name_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "new folder" / "result.txt"
    with writing(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.parent == path.parent  # the same file system, so that the rename is atomic
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["result.txt"]


def test_an_earlier_file_stays_until_the_block_has_ended(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("earlier")
    with writing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "earlier"
    assert path.read_text() == "new"


def break_off(path: Path, error: type[BaseException]) -> None:
    with writing(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, FaceleakError, KeyboardInterrupt])
def test_an_error_leaves_the_earlier_file_and_no_partial_one(error, tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("earlier")
    with pytest.raises(error):
        break_off(path, error)
    assert path.read_text() == "earlier"
    assert names(tmp_path) == ["result.txt"]


def write_folder(path: Path, content: dict[str, str], error: Exception | None = None) -> None:
    with writing(path) as partial:
        partial.mkdir()
        for name, text in content.items():
            (partial / name).write_text(text)
        if error:
            raise error


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "results"
    write_folder(path, {"a": "1", "b": "2"})
    write_folder(path, {"a": "3"})
    assert names(path) == ["a"]
    assert (path / "a").read_text() == "3"
    assert names(tmp_path) == ["results"]


def test_an_error_leaves_the_earlier_folder(tmp_path):
    path = tmp_path / "results"
    write_folder(path, {"a": "1"})
    with pytest.raises(RuntimeError):
        write_folder(path, {"b": "half"}, RuntimeError())
    assert names(path) == ["a"]
    assert names(tmp_path) == ["results"]


def test_a_folder_that_cannot_be_replaced_comes_back(tmp_path):
    path = tmp_path / "results"
    write_folder(path, {"a": "1"})
    with pytest.raises(DiskError), writing(path):
        pass  # nothing was written, so nothing can take the folder's place
    assert (path / "a").read_text() == "1"
    assert names(tmp_path) == ["results"]


GONE = f"{HOST}-999999999-1"


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "folder"
    half = folder / f".half.{GONE}.partial"
    half.mkdir(parents=True)
    (half / "a").write_text("half")
    kept = [".elsewhere.another-host-1-1.partial", f".busy.{this_process()}.partial", ".hidden", "a.partial"]
    for name in (f".result.json.{GONE}.partial", *kept):
        (folder / name).write_text("half")
    write_json(folder / "new.json", 1)
    assert names(folder) == sorted([*kept, "new.json"])


def test_a_folder_that_was_moved_out_of_the_way_by_a_killed_process_comes_back(tmp_path):
    for name in ("replaced", "lost"):
        write_folder(tmp_path / f".{name}.{GONE}.old", {"earlier": name})
    write_folder(tmp_path / "replaced", {"new": "1"})
    sweep.cache_clear()  # as in another process
    write_json(tmp_path / "new.json", 1)
    assert names(tmp_path) == ["lost", "new.json", "replaced"]
    assert names(tmp_path / "replaced") == ["new"]
    assert (tmp_path / "lost" / "earlier").read_text() == "lost"


KILLED = """
import os, sys
from pathlib import Path
from faceleak.work.tasks import writing
with writing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_process_killed_while_it_writes_leaves_the_earlier_file_and_the_next_one_sweeps(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, "earlier")
    killed = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert killed.returncode == -9
    assert len(names(tmp_path)) == 2
    assert json.loads(path.read_text()) == "earlier"
    sweep.cache_clear()
    write_json(path, "new")
    assert names(tmp_path) == ["result.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
def test_a_full_disk_is_one_clear_error_and_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("earlier")

    def fill() -> None:
        with writing(path) as partial:
            partial.symlink_to("/dev/full")
            partial.write_text("too much")

    with pytest.raises(DiskError, match=r"result\.txt could not be written \(No space left on device\).*untouched"):
        fill()
    assert path.read_text() == "earlier"
    assert names(tmp_path) == ["result.txt"]


def test_a_library_that_has_its_own_word_for_a_full_disk(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(DiskError, match="No space left") as caught, writing(tmp_path / "result.txt"):
        raise RuntimeError("enforce fail at inline_container: file write failed")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_place_that_cannot_hold_files_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DiskError, match=r"below\.txt could not be written"), writing(tmp_path / "file" / "below.txt"):
        raise AssertionError("the block must not start")


@pytest.fixture
def without_permission() -> Iterator[Path]:
    """A folder with an earlier result, in which this process may not write; tests may run as root."""
    folder = Path(tempfile.mkdtemp())  # where another user may look
    (folder / "result.txt").write_text("earlier")
    (folder / f".other.{GONE}.partial").write_text("half")
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_no_permission_is_one_clear_error_and_leaves_the_earlier_file(without_permission):
    path = without_permission / "result.txt"
    with pytest.raises(DiskError, match=r"result\.txt could not be written \(Permission denied\).*permissions"):
        write_json(path, "new")
    with pytest.raises(DiskError, match="Permission denied"), working_alone(without_permission):
        raise AssertionError("nobody can tell whether another run is there")
    assert path.read_text() == "earlier"


def test_an_error_inside_a_folder_that_is_being_written_is_one_clear_error(tmp_path):
    with pytest.raises(DiskError, match=r"results could not be written"), writing(tmp_path / "results") as partial:
        raise OSError(errno.EACCES, "Permission denied", str(partial / "a" / "b"))


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "some/source.jpg"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset"),
    ],
)
def test_errors_that_are_not_about_the_written_file_pass_as_they_are(error, tmp_path):
    with pytest.raises(OSError, match=error.strerror) as caught, writing(tmp_path / "result.txt"):
        raise error
    assert caught.value is error


def test_plain_data_is_made_once(tmp_path):
    made = []

    def make() -> dict:
        made.append(1)
        return {"value": 0.1}

    path = tmp_path / "data.json"
    assert remembered_json(path, make) == remembered_json(path, make) == {"value": 0.1}
    assert made == [1]


def test_json_is_readable_and_whole(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"auc": 0.5, "names": ["a"]})
    assert path.read_text() == '{\n  "auc": 0.5,\n  "names": [\n    "a"\n  ]\n}\n'
    with pytest.raises(TypeError):
        write_json(path, {"auc": object()})
    assert "0.5" in path.read_text()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PLAIN, max_size=3), st.lists(PLAIN, max_size=3))
def test_plain_data_has_one_fingerprint_and_other_data_another(first, second):
    assert fingerprint(*first) == fingerprint(*first)
    assert (fingerprint(*first) == fingerprint(*second)) == (repr(first) == repr(second) or ordered(first, second))


def ordered(first: list, second: list) -> bool:
    """Whether the two differ in the order of dictionary keys at most."""
    return repr([sort(part) for part in first]) == repr([sort(part) for part in second])


def sort(part):
    if isinstance(part, dict):
        return {key: sort(part[key]) for key in sorted(part)}
    return [sort(item) for item in part] if isinstance(part, list) else part


def test_a_fingerprint_is_the_same_in_every_process_and_on_every_day():
    table = pd.DataFrame({"image_id": ["a", "b"], "known": [True, False]})
    assert fingerprint("x", 1, {"b": 2, "a": [1.5, None]}) == "c0db991278745068"
    assert fingerprint(Settings()) == "f5110c2691b190b4"
    assert fingerprint(table) == "94c5cd779806e507"


def test_fingerprints_follow_options_tables_and_files(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    file = tmp_path / "file"
    file.write_bytes(b"one")
    other_file = tmp_path / "other"
    other_file.write_bytes(b"one")
    assert fingerprint(Settings(strength=0.5)) == fingerprint(Settings())
    assert fingerprint(table.copy()) == fingerprint(table)
    assert fingerprint(table.set_axis([5, 6])) == fingerprint(table)  # the index is not part of the data
    assert fingerprint(file) == fingerprint(other_file)
    other_file.write_bytes(b"two")
    different = [
        fingerprint(part)
        for part in (
            *(Settings(), Settings(strength=0.6), Settings(name="b"), file, other_file),
            *(table, table[::-1], table[["b", "a"]], table.rename(columns={"a": "c"}), table.assign(b=["x", "z"])),
        )
    ]
    different += [fingerprint("a", "b"), fingerprint("ab"), fingerprint("b", "a"), fingerprint(["a", "b"])]
    assert len(set(different)) == len(different)


def test_a_fingerprint_of_something_unknown_is_refused():
    with pytest.raises(TypeError):
        fingerprint(object())


def test_the_version_of_code_follows_what_the_code_is(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    versions = []
    for text in ("a = 1\n", "a = 2\n", "a = 1  # as before\n"):
        (tmp_path / "measured_module.py").write_text(text)
        code_version.cache_clear()
        closure._read.cache_clear()
        versions.append(code_version("measured_module", "faceleak.work.tasks"))
    assert versions[0] == versions[2] != versions[1]
    with pytest.raises(ModuleNotFoundError, match=r"faceleak\.no_such_module"):
        code_version("faceleak.no_such_module")
    assert code_version("faceleak.work.tasks", "faceleak.common.trees") == code_version(
        "faceleak.common.trees", "faceleak.work.tasks"
    )
