import io
import multiprocessing
import threading

import pytest
from rich.console import Console

from faceleak.work import progress
from faceleak.work.progress import collecting, report_to, track


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """Let progress believe in a terminal, and give what it shows there."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=shown, force_terminal=True, width=120))
    return shown


def test_items_pass_unchanged_and_lazily(terminal):
    drawn = []
    tracked = track((drawn.append(i) or i for i in range(5)), "Reading", 5, "images")
    assert drawn == []
    assert next(tracked) == 0
    assert drawn == [0]
    assert list(tracked) == [1, 2, 3, 4]
    assert "Reading" in terminal.getvalue()
    assert "5/5" in terminal.getvalue()
    assert "images/s" in terminal.getvalue()


def test_nothing_is_shown_without_a_terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=shown, force_terminal=False))
    assert list(track(range(3), "Reading", 3)) == [0, 1, 2]
    assert shown.getvalue() == ""


class Listed(list):
    """A queue that keeps what is put into it."""

    put = list.append


def test_a_worker_reports_instead_of_showing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_parent_queue", None)
    queue = Listed()
    report_to(queue)
    assert list(track("ab", "Reading", 2, "images")) == ["a", "b"]
    assert list(track("c", "Reading", 1)) == ["c"]
    assert [message[1:] for message in queue] == [
        *[("Reading", 1, 2, "images"), ("Reading", 2, 2, "images"), ("Reading", 1, 1, "")]
    ]
    assert queue[0][0] == queue[1][0] != queue[2][0]  # one call, and another
    assert terminal.getvalue() == ""


def test_what_several_workers_do_under_one_name_is_added_up(terminal):
    with collecting(multiprocessing.get_context("spawn").Queue()) as queue:
        for message in (
            *((("first", 0), "Drawing", 10, 25, "people"), (("second", 0), "Drawing", 3, 5, "people")),
            (("first", 0), "Drawing", 25, 25, "people"),
        ):
            queue.put(message)
    assert "28/30" in terminal.getvalue()


def test_workers_of_a_worker_report_to_its_parent(terminal, monkeypatch):
    parent, report = Listed(), (("first", 0), "Drawing", 1, 2, "people")
    monkeypatch.setattr(progress, "_parent_queue", parent)
    with collecting(multiprocessing.get_context("spawn").Queue()) as queue:
        queue.put(report)
    assert parent == [report]
    assert "Drawing" not in terminal.getvalue()


def test_an_error_ends_the_listener():
    threads = set(threading.enumerate())
    with pytest.raises(RuntimeError), collecting(multiprocessing.get_context("spawn").Queue()):
        raise RuntimeError
    assert not set(threading.enumerate()) - threads
