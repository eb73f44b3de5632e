"""Progress bars with rate and time left, from this process and its workers; silent without a terminal."""

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
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
_Report = tuple[Any, str, int, int, str]  # call, description, done, total, unit

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


def track(items: Iterable[Item], description: str, total: int | None, unit: str = "") -> Iterator[Item]:
    """Yield `items` and show how far they are, of `total` if that is known.

    In a worker the parent process shows it, one bar a description.
    """
    if _parent_queue is not None:
        call = (os.getpid(), next(_calls))
        for done, item in enumerate(items, start=1):
            yield item
            _parent_queue.put((call, description, done, total or done, unit))
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
    """Show the progress that workers put into `queue`, one of `multiprocessing` or of Ray; gives the queue.

    In a worker it is passed on to the parent.
    """
    ended = threading.Event()
    with _bars() as bars:  # nothing is shown before there is a bar
        receive = _Collected(bars).receive if _parent_queue is None else _pass_on
        listener = threading.Thread(target=_listen, args=(queue, receive, ended), daemon=True)
        listener.start()
        try:
            yield queue
        finally:
            ended.set()  # never put into the queue: a killed worker may have kept its lock
            listener.join(timeout=5)


def _listen(queue: Any, receive: Callable[[_Report], None], ended: threading.Event) -> None:
    while True:
        try:
            receive(queue.get(timeout=POLL_SECONDS))
        except Empty:
            if ended.is_set():
                return


def _pass_on(report: _Report) -> None:
    _parent_queue.put(report)


class _Collected:
    """One bar a description, for all calls of `track` that have it."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}
        self.calls: dict[str, dict[Any, tuple[int, int]]] = {}

    def receive(self, report: _Report) -> None:
        call, description, done, total, unit = report
        if description not in self.tasks:
            self.tasks[description] = self.bars.add_task(description, total=total, unit=unit)
        of_description = self.calls.setdefault(description, {})
        of_description[call] = (done, total)
        completed, totals = (sum(column) for column in zip(*of_description.values(), strict=True))
        self.bars.update(self.tasks[description], completed=completed, total=totals)
