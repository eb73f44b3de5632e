"""Things by name: files of a room that are found by their name, and a clear error where there is none."""

from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from symtable import symtable
from types import ModuleType

from faceleak.errors import FaceleakError


class BrokenFileError(FaceleakError):
    """A file of a room is no Python."""


def files_of(room: ModuleType, besides: Collection[str]) -> list[str]:
    """Names of the files in a package, in order, without those in `besides`."""
    return sorted(module.name for module in iter_modules(room.__path__) if module.name not in besides)


def names_in(module: str) -> frozenset[str]:
    """What a file defines or imports, by its source alone: nothing is imported. Raises BrokenFileError."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return frozenset()
    return _names_in(Path(spec.origin), Path(spec.origin).stat().st_mtime_ns)


@cache
def _names_in(source: Path, _: int) -> frozenset[str]:
    try:
        symbols = symtable(source.read_text(encoding="utf-8"), str(source), "exec").get_symbols()
    except (SyntaxError, ValueError) as error:
        raise BrokenFileError(f"{source} is no Python ({error}). Correct it, or move it out of its folder.") from error
    return frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())


def check_name(name: str, kind: str, known: Collection[str], error: type[FaceleakError]) -> str:
    """Return `name`, or raise `error` with the known names and the nearest one."""
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise error(f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}.")
    return name
