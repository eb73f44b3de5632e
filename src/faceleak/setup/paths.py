"""Paths that lead nowhere: what lies where they should, so that a slip of the pen shows."""

from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from faceleak.common.errors import FaceleakError

LOOKED_AT = 10_000  # entries of a folder
SHOWN = 5


class PathError(FaceleakError):
    """A path on the command line leads nowhere."""


def check_file(path: Path | None, what: str, option: str) -> None:
    """Raise PathError unless `path` is a file, or None."""
    if path is not None and not path.is_file():
        raise PathError(f"There is no {what} {path}. Correct {option}. {beside(path)}")


def check_there(path: Path | None, what: str, options: str) -> None:
    """Raise PathError unless `path` is a file or a folder, or None."""
    if path is not None and not path.exists():
        raise PathError(f"There are no {what} at {path}. Correct {options}. {beside(path)}")


def beside(path: Path) -> str:
    """What lies where a path leads nowhere, the names that are most like the wrong one first; or in it, if a folder."""
    if path.is_dir():
        return f"It is a folder. In it: {_listed(path, '')}."
    wrong = path
    while not wrong.parent.is_dir():
        wrong = wrong.parent
    return f"In {wrong.parent.absolute()} there is no {wrong.name!r}, but: {_listed(wrong.parent, wrong.name)}."


def _listed(folder: Path, like: str) -> str:
    try:
        names = sorted(entry.name for entry in islice(folder.iterdir(), LOOKED_AT) if not entry.name.startswith("."))
    except OSError as error:
        return f"nothing that can be seen ({error.strerror})"
    shown = get_close_matches(like, names, n=SHOWN, cutoff=0) if like else names[:SHOWN]
    return ", ".join(shown) + ", …" * (len(names) > len(shown)) if names else "nothing"
