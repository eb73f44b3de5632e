"""The source code that a result depends on: modules and all that they import, of faceleak or of the user.

Imports are read off the source: those inside functions too, and those for type checking, since code calls methods of
what it is given. What is imported by a name that is put together (`import_module(f"…")`) cannot be seen there: code
that looks something up by name adds its module, or a whole package (`package.*`). Of installed libraries only those
that are asked for are looked at.
"""

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OURS = "faceleak"
ALL = ".*"
# What runs work, keeps results and shows them: no number follows from it, but for what the keys of tasks hold as
# values (device and precision of `compute`, every option). Followed, another progress bar would train all anew.
INFRASTRUCTURE = frozenset(
    f"{OURS}.{name}"
    for name in (
        *(
            f"work.{name}"
            for name in ("closure", "compute", "engines", "lock", "tasks", "processes", "progress", "checksummed")
        ),
        *(
            "common.errors",
            "common.named",
            "common.options",
            "faces.lock",
            "reporting",
            "runs.tracking",
            "tuning.storage",
        ),
    )
)
INSTALLED = ("site-packages", "dist-packages")
STANDARD = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
COMPILED = (".so", ".pyd")
WITHOUT_EFFECT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@dataclass(frozen=True)
class _Module:
    """A module by its full name, and the folder in which its first package, or it itself, lies."""

    name: str
    home: Path

    @property
    def path(self) -> Path | None:
        """Its file; None if there is none, as for a folder without `__init__.py`."""
        place = self.home.joinpath(*self.name.split("."))
        python = (place / "__init__.py", place.parent / f"{place.name}.py")
        if found := next(filter(Path.is_file, python), None):
            return found
        return next((path for path in place.parent.glob(f"{place.name}.*") if path.suffix in COMPILED), None)


def closure(*entries: str) -> dict[str, str]:
    """Full names of modules and a hash of each: `entries`, and all that they import.

    The hash follows what the code does: comments, docstrings and layout are no part of it, nor is the place where the
    file lies; Python's minor version hardly is. An installed library counts as a whole.
    Raises ModuleNotFoundError if an entry has no source file.
    """
    found: dict[str, str] = {}
    waiting = [module for entry in entries for module in _entered(entry)]
    while waiting:
        module = waiting.pop()
        if module.name in found or module.path is None:
            continue
        if _is_installed(module):
            found[module.name] = _hash_of_library(module)
        else:
            found[module.name], imported = _read(module)
            waiting += imported
    return found


def own(modules: Iterable[str]) -> list[str]:
    """Those modules that belong to no installed library, and that have a source file."""
    homes = ((module, _home(module)) for module in modules)
    return sorted(name for name, home in homes if home and not _is_installed(_Module(name, home)))


def _entered(entry: str) -> Iterator[_Module]:
    name = entry.removesuffix(ALL)
    home = _home(name)
    if home is None:
        raise ModuleNotFoundError(f"{name!r} has no source file", name=name)
    module = _Module(name, home)
    if _is_installed(module):
        yield _Module(_top(name), home)
        return
    for parent in _with_parents(name):
        if parent == name or not _is_infrastructure(parent):
            yield _Module(parent, home)
    if name != entry:
        folder = home.joinpath(*name.split("."))
        yield from (_Module(f"{name}.{path.stem}", home) for path in folder.glob("*.py") if path.stem != "__init__")


@cache
def _home(name: str) -> Path | None:
    """The folder from which `name` is imported; None if it has no source file. Nothing is imported to find it."""
    try:
        spec = find_spec(_top(name))
    except ValueError:  # of `__main__`
        return None
    if spec is None:
        return None
    places = spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    homes = [Path(place).parent for place in places]
    return next((home for home in homes if _Module(name, home).path or _is_installed(_Module(name, home))), None)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _is_infrastructure(name: str) -> bool:
    return name == OURS or not INFRASTRUCTURE.isdisjoint(_with_parents(name))  # `faceleak` itself: the version's number


def _is_installed(module: _Module) -> bool:
    return _top(module.name) != OURS and (module.home.name in INSTALLED or module.home in STANDARD)


@cache
def _hash_of_library(module: _Module) -> str:
    """Hash of all code of an installed library, byte by byte: parsing a large one takes seconds."""
    path = module.path
    assert path is not None
    files = sorted(path.parent.rglob("*")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.suffix in (".py", *COMPILED):
            digest.update(file.relative_to(path.parent).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def _read(module: _Module) -> tuple[str, tuple[_Module, ...]]:
    """Hash of what a module does, and what it imports."""
    path = module.path
    assert path is not None
    content = path.read_bytes()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # compiled, or of another Python
        return hashlib.sha256(content).hexdigest(), ()
    said: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _say(tree, said, imports)
    package = module.name.split(".") if path.name == "__init__.py" else module.name.split(".")[:-1]
    names = {name for statement in imports for named in _names(statement, package) for name in _with_parents(named)}
    followed = (_Module(name, _home_of_import(name, module)) for name in sorted(names) if _is_followed(name, module))
    text = "\n".join(said).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest(), tuple(found for found in followed if found.path)


def _is_followed(name: str, by: _Module) -> bool:
    """Modules of faceleak are, and those in the folder of a user's module."""
    return not _is_infrastructure(name) if _top(name) == OURS else _top(by.name) != OURS


def _home_of_import(name: str, by: _Module) -> Path:
    return Path(__file__).parents[2] if _top(name) == OURS else by.home


def _names(statement: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """Full names of all that may be a module in an import statement."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    above = package[: len(package) - statement.level + 1] if statement.level else []
    source = ".".join([*above, *([statement.module] if statement.module else [])])
    yield from (f"{source}.{alias.name}" for alias in statement.names)


def _say(node: Any, said: list[str], imports: list[ast.Import | ast.ImportFrom]) -> None:
    """Write what a part of the source does: without docstrings, attributes' too, and without fields that hold nothing.

    Those are what tells Python's minor versions apart in `ast.dump`.
    """
    if isinstance(node, list):
        said.append("[")
        for part in node:
            _say(part, said, imports)
        said.append("]")
    elif not isinstance(node, ast.AST):
        said.append(repr(node))
    else:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        said.append(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                value = [part for part in value if not _is_docstring(part)]
            if value is not None and value != [] and field not in WITHOUT_EFFECT:
                said.append(field)
                _say(value, said, imports)


def _is_docstring(part: Any) -> bool:
    """Whether it is a text as a statement, which does nothing."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
