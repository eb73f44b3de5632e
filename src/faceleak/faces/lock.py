"""The lock by which only one run at a time packs a store."""

from contextlib import AbstractContextManager
from pathlib import Path

from faceleak.common.errors import FaceleakError
from faceleak.work.lock import alone_at


class BusyStoreError(FaceleakError):
    """Another run is packing the same store."""


def packing_alone(store: Path) -> AbstractContextManager[None]:
    """Keep other processes from packing into `store` inside the block. Raises BusyStoreError if one is at it."""
    busy = BusyStoreError(
        f"Another run is packing {store} at this moment, and two at once would spoil each other's parts. Wait "
        "until it has ended and run the same command again, or give this run a place of its own by another --env."
    )
    return alone_at(store, busy)
