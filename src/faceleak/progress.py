"""Progress bars with rate and time left, from this process and its workers; silent where there is no terminal."""

import itertools
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")

POLL_SECONDS = 0.1

_console = Console(stderr=True)
_parent_queue: Any = None
_calls = itertools.count()


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.1f} {task.fields.get('unit', '')}/s" if rate else "", style="progress.data.speed")


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(compact=True),
    )
    return Progress(*columns, console=_console, disable=not _console.is_terminal)


def track(items: Iterable[Item], description: str, total: int, unit: str = "") -> Iterator[Item]:
    """Yield `items` and show how far they are. In a worker the parent process shows it, one bar a description."""
    if _parent_queue is not None:
        call = (os.getpid(), next(_calls))
        for done, item in enumerate(items, start=1):
            yield item
            _parent_queue.put((call, description, done, total, unit))
        return
    with _bars() as bars:
        task = bars.add_task(description, total=total, unit=unit)
        for item in items:
            yield item
            bars.advance(task)


def report_to(queue: Any) -> None:
    """Make `track` in this process report to the parent, which reads `queue`."""
    global _parent_queue  # noqa: PLW0603  one per worker process, set once when it starts
    _parent_queue = queue


def is_shown() -> bool:
    """Whether anybody would see a bar."""
    return _console.is_terminal


@contextmanager
def collecting(queue: Any) -> Iterator[Any]:
    """Show the progress that workers put into `queue`, one of `multiprocessing` or of Ray; gives the queue."""
    ended = threading.Event()
    with _bars() as bars:
        listener = threading.Thread(target=_listen, args=(queue, bars, ended), daemon=True)
        listener.start()
        try:
            yield queue
        finally:
            ended.set()  # never put into the queue: a killed worker may have kept its lock
            listener.join(timeout=5)


def _listen(queue: Any, bars: Progress, ended: threading.Event) -> None:
    tasks: dict[str, TaskID] = {}
    calls: dict[str, dict[Any, tuple[int, int]]] = {}
    while True:
        try:
            call, description, done, total, unit = queue.get(timeout=POLL_SECONDS)
        except Empty:
            if ended.is_set():
                return
            continue
        if description not in tasks:
            tasks[description] = bars.add_task(description, total=total, unit=unit)
        of_description = calls.setdefault(description, {})
        of_description[call] = (done, total)
        completed, totals = (sum(column) for column in zip(*of_description.values(), strict=True))
        bars.update(tasks[description], completed=completed, total=totals)
