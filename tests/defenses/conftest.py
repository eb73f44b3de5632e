"""One thread for all tests of the room."""

from collections.abc import Iterator

import pytest

from faceleak.compute import single_threaded


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: batches are small, and results are compared to the bit."""
    with single_threaded():
        yield
