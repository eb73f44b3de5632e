"""Processes: names that differ from later ones with the same number, and whether this one works for another."""

import os
import platform
from pathlib import Path

import psutil

HOST = platform.node()


def this_process() -> str:
    """Name this process by host, number and start."""
    return f"{HOST}-{os.getpid()}-{_start(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether the process of this name has run on this host and runs no more."""
    rest, _, start = process.rpartition("-")
    host, _, number = rest.rpartition("-")
    if host != HOST or not number.isdigit():
        return False
    return _start(int(number)) != start


def _start(number: int) -> str:
    """When a process started, empty if it is gone; a zombie, which waits for its parent to look, is gone."""
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return _ticks(number) or f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


def _ticks(number: int) -> str:
    """Since the system started, as Linux counts them: a wall clock that is set does not move them."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


_working = False


def is_worker() -> bool:
    """Whether this process works on tasks for another one: tasks of a task then run here."""
    return _working


def become_worker() -> None:
    """Remember that this process works on tasks for another one."""
    global _working  # noqa: PLW0603  one per process, set once when its first task comes
    _working = True
