"""One run at a time packs a store."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faceleak.errors import FaceleakError
from faceleak.pieces import not_written


class BusyStoreError(FaceleakError):
    """Another run is packing the same store."""


@contextmanager
def packing_alone(store: Path) -> Iterator[None]:
    """Keep other processes from packing into `store` inside the block. Raises BusyStoreError where one is at it.

    The system takes the lock back when a process ends, however it ends.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(store.with_name(f".{store.name}.lock"), timeout=0)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise BusyStoreError(
            f"Another run is packing {store} at this moment, and two at once would spoil each other's parts. Wait "
            "until it has ended and run the same command again, or give this run a place of its own by another --env."
        ) from error
    except OSError as error:
        raise not_written(store, error.strerror or str(error)) from error
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink()  # while it is held: who has opened it meanwhile sees that it is gone
        lock.release()
