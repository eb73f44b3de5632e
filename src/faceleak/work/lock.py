"""A lock for one run at a time, which the system releases when the process ends."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from faceleak.common.errors import FaceleakError
from faceleak.work.tasks import not_written


class BusyFolderError(FaceleakError):
    """Another run is working in the same data folder."""


def working_alone(data: Path) -> AbstractContextManager[None]:
    """Keep other runs out of a data folder inside the block. Raises BusyFolderError if one is in it."""
    busy = BusyFolderError(
        f"Another run is working in {data} at this moment, and two at once would mix their results. Wait until it has "
        "ended and run the same command again, or give this run a folder of its own: another --env, with another "
        "`data` in its globals.yml."
    )
    return alone_at(data / "run", busy)


@contextmanager
def alone_at(path: Path, busy: FaceleakError, patience: float = 0) -> Iterator[None]:
    """Keep other processes from `path` inside the block.

    Raises `busy` where one is at it and stays for `patience` seconds, DiskError as `writing`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience)
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
