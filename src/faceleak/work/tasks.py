"""Cached tasks: keyed by a hash of their inputs, written atomically, resumed after an interruption."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from faceleak.common.errors import FaceleakError
from faceleak.work.checksummed import load_arrays, load_tree, save_arrays, save_tree
from faceleak.work.closure import closure
from faceleak.work.processes import HOST, is_gone, this_process

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES)
SPARE_BYTES = 1 << 20
LEFT = re.compile(rf"\.(?P<name>.+)\.(?P<process>{re.escape(HOST)}-\d+-[\d.]+)\.(?P<kind>partial(-journal)?|old)")
ROWS_AT_ONCE = 1 << 18  # of a table are hashed in one go, whatever its length


class DiskError(FaceleakError):
    """A result could not be written. Earlier results are as they were."""


def fingerprint(*parts: Any) -> str:
    """Name a task: 16 hexadecimal digits over `parts` (pydantic models, tables, contents of paths, plain data)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_canonical(part))
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _canonical(part: Any) -> bytes:
    if isinstance(part, BaseModel):
        return json.dumps(part.model_dump(mode="json"), sort_keys=True).encode()
    if isinstance(part, pd.DataFrame):
        starts = range(0, len(part), ROWS_AT_ONCE)
        rows = (pd.util.hash_pandas_object(part.iloc[start : start + ROWS_AT_ONCE], index=False) for start in starts)
        return b"".join(hashes.to_numpy().tobytes() for hashes in rows) + repr(list(part.columns)).encode()
    if isinstance(part, Path):
        with part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    return json.dumps(part, sort_keys=True).encode()


@cache
def code_version(*modules: str) -> str:
    """Hash of the code of modules and of all that they import: older code gives another key.

    See `closure`: what is looked up by name has to be named here too. Raises ModuleNotFoundError.
    """
    return fingerprint(closure(*modules))


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path next to `path`, which is renamed to `path` once the block ends without an error.

    What killed processes of this host have left in the folder is removed. Raises DiskError if the disk is full or
    the folder may not be written.
    """
    partial = path.with_name(f".{path.name}.{this_process()}.partial")  # with the host: several nodes may share it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        _remove(partial)
        yield partial
        _replace(partial, path)
    except FaceleakError:
        raise
    except Exception as error:
        if reason := _disk_failure(error, path, partial):
            raise not_written(path, reason) from error
        raise
    finally:
        _remove(partial)


def not_written(path: Path, reason: str) -> DiskError:
    """Make the error that says why `path` could not be written."""
    return DiskError(
        f"{path} could not be written ({reason}). Earlier results are untouched. "
        "Free some space or check the permissions of the folder, then run the same command again."
    )


def _replace(partial: Path, path: Path) -> None:
    if not path.is_dir():
        partial.replace(path)
        return
    old = path.with_name(f".{path.name}.{this_process()}.old")
    path.replace(old)
    try:
        partial.replace(path)
    except BaseException:
        old.replace(path)
        raise
    _remove(old)


@cache
def sweep(folder: Path) -> None:
    """Remove from a folder what killed processes of this host have left there; once a process.

    A folder that one of them had moved out of the way, and nothing had taken its place yet, comes back.
    """
    for left in folder.glob(".*"):
        match = LEFT.fullmatch(left.name)
        if match is None or not is_gone(match["process"]):
            continue
        path = left.with_name(match["name"])
        with suppress(OSError):  # of another user, or swept by another process at this moment
            if match["kind"] == "old" and not path.exists():
                left.replace(path)
            else:
                _remove(left)


def _disk_failure(error: Exception, path: Path, partial: Path) -> str | None:
    """Say why the disk refused, or None if the error is about something else."""
    if not isinstance(error, OSError):  # torch and safetensors report a full disk in classes of their own
        full = shutil.disk_usage(path.parent).free < SPARE_BYTES
        return os.strerror(errno.ENOSPC) if full else None
    if error.filename is None:
        ours = error.errno in DISK_ERRORS
    else:
        named = Path(error.filename)
        ours = named in (path, partial, *path.parents) or partial in named.parents
    return (error.strerror or str(error)) if ours else None


def _remove(partial: Path) -> None:
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            partial.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write `content` as readable JSON, whole or not at all."""
    with writing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def remembered_json(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read the plain data at `path`, or make it and keep it there. Raises SealError if it is damaged."""
    if not path.exists():
        content = make()
        with writing(path) as partial:
            save_tree(partial, content)
    read: dict[str, Any] = load_tree(path)
    return read


def remembered_arrays(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Load the numpy arrays at `path` (safetensors), or make them and keep them there. Raises SealError."""
    if not path.exists():
        arrays = make()
        with writing(path) as partial:
            save_arrays(partial, arrays)
    return load_arrays(path, "numpy")
