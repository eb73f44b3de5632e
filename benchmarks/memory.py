"""Memory of this process and its workers while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

EVERY = 0.05  # seconds


def own_memory() -> float:
    """Memory of this process and its workers in MB, without pages of mapped files, which the system takes back."""
    process = psutil.Process()
    return sum(_anonymous(one) for one in [process, *process.children(recursive=True)]) / 1e6


def _anonymous(process: psutil.Process) -> int:
    found = process.memory_info()
    return int(found.rss - found.shared)


@dataclass
class Peak:
    """Most memory that was seen, in MB."""

    megabytes: float = 0.0


@contextmanager
def watching() -> Iterator[Peak]:
    """Note the most memory that is taken inside the block."""
    peak, ended = Peak(), threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY):
            peak.megabytes = max(peak.megabytes, own_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
