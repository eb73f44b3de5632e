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
    return sum(map(anonymous_memory, [process, *process.children(recursive=True)]))


def anonymous_memory(process: psutil.Process) -> float:
    """Memory of one process in MB, without pages of mapped files."""
    found = process.memory_info()
    return float(found.rss - found.shared) / 1e6


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
