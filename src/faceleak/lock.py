"""One run at a time: a lock that the system takes back when a process ends, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faceleak.errors import FaceleakError
from faceleak.pieces import not_written


@contextmanager
def alone_at(path: Path, busy: FaceleakError) -> Iterator[None]:
    """Keep other processes from `path` inside the block. Raises `busy` where one is at it, DiskError as `writing`."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise busy from error
    except OSError as error:
        raise not_written(path, error.strerror or str(error)) from error
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink()  # while it is held: who has opened it meanwhile sees that it is gone
        lock.release()
