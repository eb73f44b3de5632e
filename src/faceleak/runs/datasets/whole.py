"""Saving through a temporary file: a killed run leaves the earlier file or the new one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from faceleak.work.pieces import writing


@contextmanager
def saving_whole(dataset: Any) -> Iterator[None]:
    """Point the dataset at a temporary file inside the block, and give that file the right name afterwards."""
    final: PurePosixPath = dataset._filepath
    with writing(Path(final)) as partial:
        dataset._filepath = PurePosixPath(partial)
        try:
            yield
        finally:
            dataset._filepath = final
