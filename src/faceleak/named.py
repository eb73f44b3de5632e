"""Things by name: files of a room that are found by their name, and a clear error where there is none."""

from collections.abc import Collection
from difflib import get_close_matches
from pkgutil import iter_modules
from types import ModuleType

from faceleak.errors import FaceleakError


def files_of(room: ModuleType, besides: Collection[str]) -> list[str]:
    """Names of the files in a package, in order, without those in `besides`."""
    return sorted(module.name for module in iter_modules(room.__path__) if module.name not in besides)


def check_name(name: str, kind: str, known: Collection[str], error: type[FaceleakError]) -> str:
    """Return `name`, or raise `error` with the known names and the nearest one."""
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise error(f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}.")
    return name
